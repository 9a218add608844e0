import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Certificate, decodeCertificate } from '../../../src/codec/x509/certificate.ts'
import { encodeName } from '../../../src/codec/x509/name.ts'
import { issueCertificate, randomSerialNumber } from '../../../src/crypto/issue.ts'
import { generateKey } from '../../../src/crypto/key.ts'
import { validatePath } from '../../../src/crypto/path.ts'
import { keySigner } from '../../../src/crypto/signer.ts'
import { OnboardingError } from '../../../src/domain/error.ts'
import type { SiteAuthority } from '../../../src/role/onboarding/authority.ts'
import { type RolloverKind, rollAuthority } from '../../../src/role/onboarding/authority-generation.ts'
import { authorityOf, clock, openAuthority, openParty, type Party, unsoundLedgers } from './party.ts'
import type { Inspection, StepTask } from './task.ts'

const fileOf = (data: string) => join(data, 'before.json')

interface Before {
  /** Root and a certificate of a device from before the rollover, DER base64. */
  readonly root: string
  readonly device: string
}

export const rootRolloverTask = rollover('root')
export const issuingRolloverTask = rollover('issuing')

/** A site gives itself the next root or issuing CA, with devices about that know the one before. */
function rollover(kind: RolloverKind): StepTask {
  return {
    name: `rollover-${kind}`,
    title: kind === 'root' ? 'a root is rolled over' : 'an issuing CA is rolled over',
    async prepare(data) {
      const site = await openParty(data, 'site')
      const authority = await openAuthority(site)
      const device = await deviceCertificate(authority)
      const before: Before = { root: text(authority.root.der), device: text(device.der) }
      writeFileSync(fileOf(data), JSON.stringify(before))
      await site.close()
    },
    async run(data, strike) {
      const site = await openParty(data, 'site', strike)
      if (!(await isDone(site, kind))) await rollAuthority(authorityOf(site), kind, 'lab')
      await openAuthority(site)
      await site.close()
    },
    // As the site finds itself when it starts again.
    inspect: data => look(data, kind, false),
    conclude: data => look(data, kind, true),
  }
}

/** Whoever saw it die looks first. */
async function isDone(site: Party, kind: RolloverKind): Promise<boolean> {
  const events = await site.store.history(`authority/${kind}-2`)
  return events.some(event => event.kind === 'authority-rolled')
}

async function look(data: string, kind: RolloverKind, ended: boolean): Promise<Inspection> {
  const half: string[] = []
  const site = await openParty(data, 'site')
  try {
    // The ledger as the process left it, before anything is made good.
    const unsound = await unsoundLedgers([site])
    const authority = await openAuthority(site)
    half.push(...(await wrong(authority, data)))
    const rolled = (await site.store.history(`authority/${kind}-2`)).map(({ kind: event }) => event)
    if (ended) {
      const made = [authority.roots.length, authority.generations.length].join('/')
      if (made !== (kind === 'root' ? '2/2' : '1/2')) half.push(`${made} roots and issuing CAs after one rollover`)
      if (rolled.join() !== 'authority-roll-begun,authority-rolled') half.push(`on record: ${rolled.join()}`)
    }
    return { half, unsound: [...unsound, ...(await unsoundLedgers([site]))] }
  } finally {
    await site.close()
  }
}

/** Whoever knows the old root knows the site and its devices, and the other way round. */
async function wrong(authority: SiteAuthority, data: string): Promise<string[]> {
  const found: string[] = []
  const before = JSON.parse(readFileSync(fileOf(data), 'utf8')) as Before
  const [oldRoot, oldDevice] = [certificate(before.root), certificate(before.device)]
  const fresh = await deviceCertificate(authority)
  const { registrar, issuing, roots, crosses, generations } = authority
  if (crosses.length !== roots.length - 1) found.push(`${crosses.length} crosses for ${roots.length} roots`)
  const all = [...generations.map(each => each.certificate), ...crosses]
  const holds = (what: string, chain: readonly Certificate[], root: Certificate) => {
    try {
      validatePath({ chain, anchors: [{ name: 'site', certificate: root }], at: new Date(clock()) })
    } catch (error) {
      found.push(`${what}: ${String(error)}`)
    }
  }
  holds('the registrar, for who knows the old root', [registrar.certificate, ...registrar.chain], oldRoot)
  for (const root of roots) holds('a new device', [fresh, issuing.certificate, ...all], roots.at(-1) ?? root)
  holds('a device of before', [oldDevice, ...all], roots.at(-1) ?? oldRoot)
  return found
}

async function deviceCertificate({ issuing }: SiteAuthority): Promise<Certificate> {
  const now = clock()
  if (issuing.signer === undefined) throw new OnboardingError('issuer-key-missing')
  const der = await issueCertificate({
    subject: encodeName({ commonName: 'a device' }),
    spkiDer: keySigner(generateKey('P-256')).spkiDer,
    issuer: issuing,
    serialNumber: randomSerialNumber(),
    notBefore: new Date(now - 1000),
    notAfter: new Date(now + 86_400_000),
    extensions: [],
  })
  return decodeCertificate(der)
}

const text = (der: Uint8Array) => Buffer.from(der).toString('base64')
const certificate = (base64: string) => decodeCertificate(Buffer.from(base64, 'base64'))
