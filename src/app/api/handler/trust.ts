import { decodePemBlock } from '../../../codec/pem.ts'
import { withCodes } from '../../../domain/failure.ts'
import {
  type AnchorChange,
  distrustManufacturer,
  previewTrust,
  type TrustDecision,
  trustManufacturer,
} from '../../../role/supply-chain/trust.ts'
import type { TrustTerms } from '../contract/trust.ts'
import type { ApiServices, Handlers } from '../service.ts'
import { manufacturerView, pageView } from '../view.ts'

export function trustHandlers({
  store,
  clock,
}: ApiServices): Pick<
  Handlers,
  'manufacturerList' | 'manufacturerTrust' | 'manufacturerPreview' | 'manufacturerDistrust'
> {
  return {
    async manufacturerList({ query: { after = '', limit } }) {
      const trusted = await store.read(tables => tables.manufacturer.find({}, { after, limit }))
      return pageView(trusted, { view: manufacturerView, key: ({ name }) => name, limit })
    },
    async manufacturerTrust({ params: { name }, body }, { by }) {
      const { manufacturer, warnings } = await trustManufacturer({ store, clock }, decisionOf(name, body), by)
      return { ...manufacturerView(manufacturer), warnings: [...warnings] }
    },
    async manufacturerPreview({ params: { name }, body }) {
      const { anchors, masaAnchors, warnings, ...counts } = await previewTrust({ store, clock }, decisionOf(name, body))
      return { ...counts, anchors: listed(anchors), masaAnchors: listed(masaAnchors), warnings: [...warnings] }
    },
    async manufacturerDistrust({ params: { name } }, { by }) {
      await distrustManufacturer(store, name, by)
      return { removed: name }
    },
  }
}

function decisionOf(name: string, { masaUrl, ...terms }: TrustTerms): TrustDecision {
  return {
    ...terms,
    name,
    anchors: terms.anchors.map(certificateOf),
    masaAnchors: terms.masaAnchors.map(certificateOf),
    ...(masaUrl === undefined ? {} : { masaUrl }),
  }
}

function listed({ added, removed, kept }: AnchorChange) {
  return { added: [...added], removed: [...removed], kept: [...kept] }
}

const unreadable = { malformed: 'anchor-invalid', signature: 'anchor-invalid', path: 'anchor-invalid' } as const

/** Of PEM. Throws OnboardingError `anchor-invalid`. */
export function certificateOf(pem: string): Buffer {
  return withCodes(unreadable, () => decodePemBlock('CERTIFICATE', pem))
}
