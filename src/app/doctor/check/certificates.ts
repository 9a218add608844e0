import { decodeCertificate } from '../../../codec/x509/certificate.ts'
import { both, type Check, type CheckStatus, duration, type Finding, ok, worst } from '../check.ts'
import { day, everyRow, type ReadablePatient } from '../patient.ts'

interface Held {
  readonly name: string
  readonly notBefore: number
  readonly notAfter: number
  readonly isAuthority: boolean
}

export const certificates: Check = {
  id: 'certificates',
  title: 'Certificates',
  about:
    'The newest certificate of each office: roots, issuing authorities, registrar, TLS, voucher signer. Fails when one has ' +
    'ended or has not begun. Warns of an authority in its last year, and of another one that should have been renewed, ' +
    'which happens with a third of its life left.',
  party: both,
  needs: 'record',
  async run(patient) {
    const held = await newest(patient)
    if (held.length === 0) {
      return { status: 'fail', finding: 'There are no certificates on record.', action: startAction(patient) }
    }
    const found = held.map(each => ({ ...each, ...judge(each, patient.clock()) }))
    const evidence = found.map(({ name, text }) => `${name}: ${text}`)
    const status = worst(found.map(each => each.status))
    if (status === 'ok') return ok('All certificates have time left.', evidence)
    const bad = found.filter(each => each.status === status)
    return troubled(patient, status, bad, evidence)
  },
}

function troubled(
  patient: ReadablePatient,
  status: CheckStatus,
  bad: readonly Held[],
  evidence: readonly string[],
): Finding {
  const names = bad.map(({ name }) => name).join(', ')
  const authority = bad.some(({ isAuthority }) => isAuthority)
  const action = authority
    ? 'Plan a new authority before the end: devices must hear of it while they can still renew. See docs/day-two.md.'
    : startAction(patient)
  return { status, finding: `To be looked at: ${names}.`, action, evidence }
}

function startAction({ party, running }: ReadablePatient): string {
  const start = party === 'site' ? '`mooring up`' : '`mooring masa up`'
  return running === undefined
    ? `Start it with ${start}: what is due is renewed at the start.`
    : `Look into the log why it was not renewed, and start it again with ${start}.`
}

/** Offices are told by their names without the generation: `registrar-2` is the newest of `registrar`. */
async function newest(patient: ReadablePatient): Promise<Held[]> {
  const found = new Map<string, Held & { readonly generation: number }>()
  for await (const { name, certificate } of everyRow(patient, 'issuer')) {
    // A responder gets a new one when it is asked; nobody else relies on it.
    if (name.startsWith('ocsp-')) continue
    const [, office = name, number = '0'] = /^(.*)-(\d+)$/.exec(name) ?? []
    const generation = Number(number)
    if ((found.get(office)?.generation ?? -1) > generation) continue
    const { validity, basicConstraints } = decodeCertificate(Buffer.from(certificate, 'base64'))
    const [notBefore, notAfter] = [validity.notBefore.getTime(), validity.notAfter.getTime()]
    found.set(office, { name, generation, notBefore, notAfter, isAuthority: basicConstraints?.cA === true })
  }
  return [...found.values()]
}

function judge({ notBefore, notAfter, isAuthority }: Held, now: number): { status: CheckStatus; text: string } {
  const end = new Date(notAfter).toISOString().slice(0, 10)
  const left = notAfter - now
  if (left < 0) return { status: 'fail', text: `ended on ${end}` }
  if (now < notBefore) return { status: 'fail', text: `begins only at ${new Date(notBefore).toISOString()}` }
  // Two days of grace: the renewal looks once a day.
  const due = isAuthority ? 365 * day : (notAfter - notBefore) / 3 - 2 * day
  return { status: left < due ? 'warn' : 'ok', text: `until ${end}, ${duration(left)} left` }
}
