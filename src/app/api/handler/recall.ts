import { decodeBase64 } from '../../../codec/base64.ts'
import { OnboardingError } from '../../../domain/error.ts'
import type { RecallRecord } from '../../../domain/recall.ts'
import { importRecall } from '../../../role/supply-chain/recall-import.ts'
import { previewRecall } from '../../../role/supply-chain/recall-preview.ts'
import { defined } from '../../defined.ts'
import type { RecallView } from '../contract/recall.ts'
import type { ApiServices, Handlers } from '../service.ts'
import { pageView } from '../view.ts'

type Names = 'recallImport' | 'recallPreview' | 'recallList' | 'recallShow'

export function recallHandlers({ store, clock, recallWork }: ApiServices): Pick<Handlers, Names> {
  return {
    async recallImport({ body: { notice, treatment } }, { by }) {
      const bytes = decodeBase64(notice)
      const { recall, changed } = await importRecall({ bytes, store, clock, importedBy: by, treatment })
      recallWork.wake()
      return { recall: recallView(recall), changed }
    },
    async recallPreview({ body }) {
      const { notice, hits, credentialed } = await previewRecall({ bytes: decodeBase64(body.notice), store, clock })
      const { recall, number, action, reason, note, reference, models, batches, serials } = notice
      const terms = { manufacturer: notice.trustedAs, recall, number, action, reason, note, reference }
      return { ...terms, models, batches, serials: serials.length, hits, credentialed }
    },
    async recallList({ query: { after = '', limit, ...filter } }) {
      const recalls = await store.read(tables => tables.recall.find(defined(filter), { after, limit }))
      return pageView(recalls, { view: recallView, key: ({ id }) => id, limit })
    },
    async recallShow({ params: { id } }) {
      const recall = await store.read(tables => tables.recall.get(id))
      if (recall === undefined) throw new OnboardingError('not-found', { recall: id })
      return recallView(recall)
    },
  }
}

function recallView(record: RecallRecord): RecallView {
  const { notice: _notice, version: _version, issuedAt, importedAt, work, models, batches, ...rest } = record
  const { after: _after, finishedAt, ...progress } = work
  return {
    ...rest,
    models: [...models],
    batches: [...batches],
    issuedAt: new Date(issuedAt).toISOString(),
    importedAt: new Date(importedAt).toISOString(),
    work: { ...progress, ...(finishedAt === undefined ? {} : { finishedAt: new Date(finishedAt).toISOString() }) },
  }
}
