import { decodeCertificate } from '../../../codec/x509/certificate.ts'
import { formatName } from '../../../codec/x509/name.ts'
import { type Check, counted, duration, ok, site, warn } from '../check.ts'
import { day, everyRow } from '../patient.ts'

export const trust: Check = {
  id: 'trust',
  title: 'Trusted manufacturers',
  about:
    'Warns when no manufacturer is trusted, so that every device is refused, and when an anchor has ended or ends within a ' +
    'year. An anchor is trusted beyond its end; what stands below it may not be.',
  party: site,
  needs: 'record',
  async run(patient) {
    const troubled: string[] = []
    let count = 0
    for await (const { name, anchors, masaAnchors } of everyRow(patient, 'manufacturer')) {
      count++
      for (const text of [...anchors, ...masaAnchors]) {
        const { subject, validity } = decodeCertificate(Buffer.from(text, 'base64'))
        const left = validity.notAfter.getTime() - patient.clock()
        if (left > 365 * day) continue
        troubled.push(`${name}: ${formatName(subject)} ${left < 0 ? 'ended' : 'ends'} ${told(left)}`)
      }
    }
    if (count === 0) {
      return warn('No manufacturer is trusted, so every device is refused.', 'Trust one: `mooring trust add --help`.')
    }
    if (troubled.length === 0) return ok(`${counted(count, 'manufacturer')} trusted.`)
    return warn(
      `${counted(troubled.length, 'anchor')} of manufacturers at an end.`,
      'Ask the manufacturer for its new certificate, and add it beside the old one with `mooring trust add`.',
      troubled,
    )
  },
}

function told(left: number): string {
  return left < 0 ? `${duration(left)} ago` : `in ${duration(left)}`
}
