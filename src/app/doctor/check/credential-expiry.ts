import { type Check, counted, duration, fail, ok, site, warn } from '../check.ts'
import { day, everyRow, type ReadablePatient } from '../patient.ts'

export const credentialExpiry: Check = {
  id: 'credential-expiry',
  title: 'Network credentials near their end',
  about:
    'Warns of devices whose newest credential ends within --days days (30) without having been renewed: devices renew by ' +
    'themselves long before, so these are off, out of reach, or cannot. Fails when it has ended.',
  party: site,
  needs: 'record',
  async run(patient) {
    const ends = await newestEnds(patient)
    const now = patient.clock()
    const soon = [...ends].filter(([, notAfter]) => notAfter < now + patient.terms.days * day)
    const standing = await alive(patient, soon)
    if (standing.length === 0) return ok(`${counted(ends.size, 'device')} with a credential, none near its end.`)
    const ended = standing.filter(({ notAfter }) => notAfter < now)
    const evidence = standing
      .toSorted((a, b) => a.notAfter - b.notAfter)
      .map(({ name, notAfter }) =>
        notAfter < now ? `${name}: ended ${duration(now - notAfter)} ago` : `${name}: ${duration(notAfter - now)} left`,
      )
    const action =
      'Look whether these devices are on and reach the site; one whose credential has ended onboards again when it is ' +
      'switched off and on.'
    if (ended.length > 0)
      return fail(`The credential of ${counted(ended.length, 'device')} has ended.`, action, evidence)
    const finding = `${counted(standing.length, 'credential')} end within ${patient.terms.days} days, not renewed.`
    return warn(finding, action, evidence)
  },
}

/** By device: a renewal leaves the credential before it in force until it ends. */
async function newestEnds(patient: ReadablePatient): Promise<Map<string, number>> {
  const ends = new Map<string, number>()
  for await (const { device, notAfter } of everyRow(patient, 'credential', { status: 'issued' })) {
    ends.set(device, Math.max(notAfter, ends.get(device) ?? 0))
  }
  return ends
}

/** Nobody waits for a device that was withdrawn or refused. */
async function alive({ record }: ReadablePatient, ends: readonly (readonly [string, number])[]) {
  const found: { readonly name: string; readonly notAfter: number }[] = []
  for (const [id, notAfter] of ends) {
    const device = await record.read(tables => tables.device.get(id))
    if (device === undefined || device.standing === 'withdrawn' || device.standing === 'denied') continue
    if (device.credential === undefined) continue
    found.push({ name: `${device.manufacturer} ${device.serial}`, notAfter })
  }
  return found
}
