import { encodePem } from '../../../codec/pem.ts'
import { errorCatalogue } from '../../../domain/error.ts'
import { rungs } from '../../../domain/evidence.ts'
import { buyerCard } from '../../../role/factory/sale.ts'
import type { ApiServices, Handlers } from '../service.ts'

/** What the site is, and what anybody may know. */
export function siteHandlers({
  store,
  site,
  ownership,
}: ApiServices): Pick<Handlers, 'siteShow' | 'errorList' | 'health'> {
  const { network, owner, version, issuing, root, onboardingPort } = site
  // By the root alone: the keys below it are renewed, and what a manufacturer knows us by should last.
  const { domains } = buyerCard({ id: owner, name: owner, certificates: [root] })
  const errors = Object.entries(errorCatalogue).map(([code, entry]) => ({ code, ...entry }))
  return {
    async siteShow() {
      const counts = await store.read(tables => Promise.all(rungs.map(rung => tables.device.count({ rung }))))
      const devices = Object.fromEntries(rungs.map((rung, n) => [rung, counts[n]!]))
      // The registrar's is renewed while the site runs.
      const certificates = [site.registrar, issuing, root].map(({ der }) => encodePem('CERTIFICATE', der))
      const { offerKey } = ownership.buyerCard()
      const key = offerKey === undefined ? {} : { offerKey }
      return { network, owner, version, domainIds: [...domains], ...key, certificates, onboardingPort, devices }
    },
    errorList: async () => ({ items: errors }),
    async health() {
      // Any row would do: what counts is that the record answers.
      await store.read(tables => tables.setting.get('health'))
      return { status: 'ok' }
    },
  }
}
