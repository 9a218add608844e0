import { decodeCertificateList } from '../../../codec/crl.ts'
import { decodeCertificate } from '../../../codec/x509/certificate.ts'
import { type Check, counted, duration, ok, site, warn } from '../check.ts'
import { day, everyRow } from '../patient.ts'

export const caller: Check = {
  id: 'caller',
  title: 'Callers with certificates',
  about:
    'Warns when an authority that certifies callers has ended, when its revocation list has, so that its callers are refused, ' +
    'and of callers whose admission ends within --days days.',
  party: site,
  needs: 'record',
  async run(patient) {
    const now = patient.clock()
    const troubled: string[] = []
    let count = 0
    for await (const { name, anchors, crls, removedAt } of everyRow(patient, 'callerAuthority')) {
      if (removedAt !== undefined) continue
      const ended = anchors.filter(text => decodeCertificate(der(text)).validity.notAfter.getTime() < now)
      if (ended.length > 0) troubled.push(`${name}: its certificate has ended`)
      const stale = crls.filter(text => (decodeCertificateList(der(text)).nextUpdate?.getTime() ?? now) < now)
      if (stale.length > 0) troubled.push(`${name}: its revocation list has ended, its callers are refused`)
    }
    for await (const { identity, expiresAt = Number.POSITIVE_INFINITY, removedAt } of everyRow(patient, 'caller')) {
      if (removedAt !== undefined || expiresAt < now) continue
      count++
      if (expiresAt < now + patient.terms.days * day) troubled.push(`${identity}: ${duration(expiresAt - now)} left`)
    }
    if (troubled.length === 0) return ok(`${counted(count, 'caller')} admitted.`)
    return warn(
      `${counted(troubled.length, 'matter')} to be looked at.`,
      'Bring a new list with `mooring caller crl NAME FILE`, a new authority with `mooring caller trust`, or admit the caller ' +
        'again with `mooring caller admit`.',
      troubled,
    )
  },
}

function der(text: string): Buffer {
  return Buffer.from(text, 'base64')
}
