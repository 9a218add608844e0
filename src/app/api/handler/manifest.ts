import { decodeBase64 } from '../../../codec/base64.ts'
import { importManifest } from '../../../role/supply-chain/import.ts'
import type { ApiServices, Handlers } from '../service.ts'
import { manifestView, pageView } from '../view.ts'

export function manifestHandlers({ store, clock }: ApiServices): Pick<Handlers, 'manifestImport' | 'manifestList'> {
  return {
    async manifestImport({ body }, { by }) {
      const bytes = decodeBase64(body.manifest)
      const { manifest, refused, ...counts } = await importManifest({ bytes, store, clock, importedBy: by })
      return { manifest: manifestView(manifest), ...counts, refused: [...refused] }
    },
    async manifestList({ query: { after = '', limit } }) {
      const manifests = await store.read(tables => tables.manifest.find({}, { after, limit }))
      return pageView(manifests, { view: manifestView, key: ({ id }) => id, limit })
    },
  }
}
