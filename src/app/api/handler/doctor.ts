import { OnboardingError } from '../../../domain/error.ts'
import { defined } from '../../defined.ts'
import { type Examination, examine } from '../../doctor/examine.ts'
import { thisHost } from '../../doctor/host.ts'
import type { Api, Reply } from '../contract.ts'
import type { ApiServices, Handlers } from '../service.ts'

/** The site examines itself. */
export function doctorHandlers(services: ApiServices): Pick<Handlers, 'siteExamine'> {
  const { store, clock, site, place, dppPort } = services
  let underWay = false
  return {
    async siteExamine({ body: terms }) {
      // It reads much: one at a time, or anybody who may look could keep the record busy.
      if (underWay) throw new OnboardingError('overloaded', { operation: 'siteExamine' })
      underWay = true
      try {
        const running =
          place === undefined
            ? undefined
            : { ...place, ...site, issuers: place.issuers, port: site.onboardingPort, ...defined({ dppPort }) }
        return examinationView(
          await examine({ party: 'site', clock, host: thisHost, terms, record: store, data: place?.data, running }),
        )
      } finally {
        underWay = false
      }
    },
  }
}

export function examinationView({ at, checks, counts, ...rest }: Examination): Reply<Api['siteExamine']> {
  return {
    ...rest,
    at: new Date(at).toISOString(),
    counts: { ...counts },
    checks: checks.map(({ evidence, ...each }) => ({
      ...each,
      ...(evidence === undefined ? {} : { evidence: [...evidence] }),
    })),
  }
}
