import { decodePemBlock } from '../../../codec/pem.ts'
import { withCodes } from '../../../domain/failure.ts'
import { distrustManufacturer, trustManufacturer } from '../../../role/supply-chain/trust.ts'
import type { ApiServices, Handlers } from '../service.ts'
import { manufacturerView, pageView } from '../view.ts'

export function trustHandlers({
  store,
  clock,
}: ApiServices): Pick<Handlers, 'manufacturerList' | 'manufacturerTrust' | 'manufacturerDistrust'> {
  return {
    async manufacturerList({ query: { after = '', limit } }) {
      const trusted = await store.read(tables => tables.manufacturer.find({}, { after, limit }))
      return pageView(trusted, { view: manufacturerView, key: ({ name }) => name, limit })
    },
    async manufacturerTrust({ params: { name }, body }, { by }) {
      const { masaUrl, ...terms } = body
      const decision = {
        ...terms,
        name,
        anchors: body.anchors.map(certificateOf),
        masaAnchors: body.masaAnchors.map(certificateOf),
        ...(masaUrl === undefined ? {} : { masaUrl }),
      }
      const { manufacturer, warnings } = await trustManufacturer({ store, clock }, decision, by)
      return { ...manufacturerView(manufacturer), warnings: [...warnings] }
    },
    async manufacturerDistrust({ params: { name } }, { by }) {
      await distrustManufacturer(store, name, by)
      return { removed: name }
    },
  }
}

const unreadable = { malformed: 'anchor-invalid', signature: 'anchor-invalid', path: 'anchor-invalid' } as const

/** Of PEM. Throws OnboardingError `anchor-invalid`. */
export function certificateOf(pem: string): Buffer {
  return withCodes(unreadable, () => decodePemBlock('CERTIFICATE', pem))
}
