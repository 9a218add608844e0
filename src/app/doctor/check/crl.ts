import { decodeCertificateList } from '../../../codec/crl.ts'
import { type Check, counted, type Finding, fail, ok, site, warn } from '../check.ts'
import { everyRow, type ReadablePatient, type Running } from '../patient.ts'

export const crl: Check = {
  id: 'crl',
  title: 'Revocation list',
  about:
    'Fetches the list from the running site as a network would, and fails when it is not served, is out of date, or lacks ' +
    'a revoked credential. Of a stopped site warns when the list on record has ended while credentials are revoked.',
  party: site,
  needs: 'record',
  async run(patient) {
    const revoked: string[] = []
    const issuer = patient.running?.issuer
    for await (const { serialHex, notAfter, issuer: by } of everyRow(patient, 'credential', { status: 'revoked' })) {
      if (notAfter > patient.clock() && (issuer === undefined || by === issuer)) revoked.push(serialHex)
    }
    const { running } = patient
    return running === undefined ? resting(patient, revoked.length) : served(patient, running, revoked)
  },
}

async function served(
  { host, clock }: ReadablePatient,
  running: Running,
  revoked: readonly string[],
): Promise<Finding> {
  const path = `/crl/${running.issuer}.crl`
  const action = 'Look into the log of the site, and start it again with `mooring up`.'
  const answer = await host
    .get({ host: nearest(running.host), port: running.port, path, root: running.root.der })
    .catch((error: unknown) => error as NodeJS.ErrnoException)
  if (answer instanceof Error) return fail('The list is not served.', action, [String(answer.code ?? answer.message)])
  if (answer.status !== 200) return fail(`The list is not served: HTTP ${answer.status}.`, action)
  const list = decodeCertificateList(answer.body)
  const end = list.nextUpdate?.getTime() ?? 0
  if (end < clock()) return fail(`The list that is served ended at ${new Date(end).toISOString()}.`, action)
  const missing = revoked.filter(serial => !list.revoked.has(serial))
  if (missing.length > 0)
    return fail(`${counted(missing.length, 'revoked credential')} not on the list.`, action, missing)
  return ok(`Served, until ${new Date(end).toISOString()}, with ${counted(list.revoked.size, 'credential')} revoked.`)
}

async function resting(patient: ReadablePatient, revoked: number): Promise<Finding> {
  for await (const { name, crlNumber, crlPublished, crlNextUpdate = 0 } of everyRow(patient, 'issuer')) {
    if (crlNumber === 0 || revoked === 0) continue
    const stale = crlNextUpdate < patient.clock()
    if (!stale && crlPublished === crlNumber) continue
    const finding = stale
      ? `The list of ${name} ended at ${new Date(crlNextUpdate).toISOString()}, and the site is stopped.`
      : `A revocation by ${name} was recorded, and its list was never made.`
    return warn(finding, 'Start the site with `mooring up`: whoever asks for the list then gets a new one.')
  }
  return ok(`The site is stopped; ${counted(revoked, 'credential')} revoked.`)
}

/** Where this machine reaches a listener that may listen everywhere. */
export function nearest(host: string): string {
  if (host === '::') return '::1'
  return host === '0.0.0.0' ? '127.0.0.1' : host
}
