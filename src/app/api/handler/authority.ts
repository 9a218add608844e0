import type { Certificate } from '../../../codec/x509/certificate.ts'
import { formatName } from '../../../codec/x509/name.ts'
import { dueAt } from '../../../role/onboarding/authority-generation.ts'
import { authorityWarnings, type IssuerLoad, renewalOutlook } from '../../../role/onboarding/authority-outlook.ts'
import type { AuthorityView } from '../contract/authority.ts'
import type { ApiServices, Handlers } from '../service.ts'

const instant = (at: number): string => new Date(at).toISOString()

export function authorityHandlers(services: ApiServices): Pick<Handlers, 'authorityShow' | 'authorityRoll'> {
  const { clock, siteAuthority } = services
  return {
    async authorityShow() {
      const { inForce, dueThisWeek, overdue, expired, issuers } = await renewalOutlook(services)
      const authority = siteAuthority.current()
      const { roots, generations, issuing, registrar } = authority
      return {
        roots: roots.map(certificateView),
        issuing: generations.map(({ name, certificate, issuer }) => ({
          ...certificateView(certificate),
          name,
          issues: name === issuing.name,
          keyHere: issuer !== undefined,
          inForce: affectedView(issuers.filter(load => load.name === name)),
        })),
        registrar: certificateView(registrar.certificate),
        renewal: { inForce, dueThisWeek, overdue, expired, graceDays: siteAuthority.graceDays },
        warnings: authorityWarnings(authority, { overdue }, clock()).map(warning =>
          'name' in warning
            ? { warning: warning.type, name: warning.name, at: instant(warning.at) }
            : { warning: `${warning.count} ${warning.type}` },
        ),
      }
    },
    async authorityRoll({ body: { kind, dryRun } }, { by }) {
      const { issuers } = await renewalOutlook(services)
      const made = dryRun ? undefined : await siteAuthority.roll(kind, by)
      return {
        kind,
        dryRun,
        ...(made === undefined ? {} : { made }),
        affected: affectedView(issuers),
        devices: [...new Set(issuers.flatMap(({ devices }) => devices))].slice(0, 1000),
      }
    },
  }
}

function certificateView(certificate: Certificate): AuthorityView['registrar'] {
  const { subject, validity } = certificate
  return {
    subject: formatName(subject),
    notBefore: validity.notBefore.toISOString(),
    notAfter: validity.notAfter.toISOString(),
    successorDue: instant(dueAt(certificate)),
  }
}

function affectedView(loads: readonly IssuerLoad[]): AuthorityView['issuing'][number]['inForce'] {
  const [renewedBy, lastEnds] = [loads.map(load => load.renewedBy ?? 0), loads.map(load => load.lastEnds ?? 0)]
  return {
    credentials: loads.reduce((sum, { credentials }) => sum + credentials, 0),
    devices: new Set(loads.flatMap(({ devices }) => devices)).size,
    ...(loads.length === 0
      ? {}
      : { renewedBy: instant(Math.max(...renewedBy)), lastEnds: instant(Math.max(...lastEnds)) }),
  }
}
