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
    const { running } = patient
    const revoked = new Map<string, string[]>()
    for await (const { serialHex, notAfter, issuer } of everyRow(patient, 'credential', { status: 'revoked' })) {
      if (notAfter > patient.clock()) revoked.set(issuer, [...(revoked.get(issuer) ?? []), serialHex])
    }
    if (running === undefined) return resting(patient, [...revoked.values()].flat().length)
    const evidence: string[] = []
    for (const issuer of running.issuers) {
      const found = await served(patient, running, issuer, revoked.get(issuer) ?? [])
      if (found.status !== 'ok') return found
      evidence.push(found.finding)
    }
    return ok(`${counted(evidence.length, 'list')} served.`, evidence)
  },
}

async function served(
  { host, clock }: ReadablePatient,
  running: Running,
  issuer: string,
  revoked: readonly string[],
): Promise<Finding> {
  const path = `/crl/${issuer}.crl`
  const action = 'Look into the log of the site, and start it again with `mooring up`.'
  const answer = await host
    .get({ host: nearest(running.host), port: running.port, path, root: running.root.der })
    .catch((error: unknown) => error as NodeJS.ErrnoException)
  if (answer instanceof Error) {
    return fail(`The list of ${issuer} is not served.`, action, [String(answer.code ?? answer.message)])
  }
  if (answer.status !== 200) return fail(`The list of ${issuer} is not served: HTTP ${answer.status}.`, action)
  const list = decodeCertificateList(answer.body)
  const end = list.nextUpdate?.getTime() ?? 0
  const until = new Date(end).toISOString()
  if (end < clock()) return fail(`The list of ${issuer} that is served ended at ${until}.`, action)
  const missing = revoked.filter(serial => !list.revoked.has(serial))
  if (missing.length > 0) {
    return fail(`${counted(missing.length, 'revoked credential')} not on the list of ${issuer}.`, action, missing)
  }
  return ok(`${issuer}: until ${until}, ${counted(list.revoked.size, 'credential')} on it`)
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
