import { once } from 'node:events'
import { isIP } from 'node:net'
import { connect } from 'node:tls'
import { peerChain } from '../adapter/http/tls-profile.ts'
import { CodecError } from '../codec/error.ts'
import { type Certificate, decodeCertificate } from '../codec/x509/certificate.ts'
import { extendedKeyUsageOid } from '../codec/x509/extension.ts'
import { PathError, validatePath } from '../crypto/path.ts'
import { OnboardingError } from '../domain/error.ts'
import type { Clock, Log, Store } from '../domain/port.ts'
import type { SiteAuthority } from '../role/onboarding/authority.ts'

/*
 * A site is one record. When a backup was restored on another machine and the old one goes on, there are two, and each
 * knows nothing of what the other issues and revokes. Both have the names of the site in their certificates, so each looks
 * who answers there: a restored site has a registrar certificate of its own.
 */

const timeoutMs = 3_000

export interface Elsewhere {
  readonly host: string
  /** `newer`: we are the ones who were left behind. `older`: a machine that should have been switched off still answers. */
  readonly kind: 'newer' | 'older'
  readonly serialHex: string
}

export interface LookOptions {
  readonly store: Store
  readonly clock: Clock
  readonly authority: () => SiteAuthority
  readonly hosts: readonly string[]
  readonly port: number
  readonly signal?: AbortSignal
}

const firstLookMs = 2_000
const lookMs = 3_600_000
/** While another one goes on in our place. */
const supersededLookMs = 60_000
/** Looks that have to find nobody: that it did not answer once does not say that it is gone. */
const quietLooks = 3

/**
 * Whether this is the machine that goes on as the site. One that was left behind lets nobody in and issues nothing, since the
 * other would refuse it and could not revoke it; who has a credential keeps it, revocation goes on, and so does all that people
 * ask for.
 */
export interface Succession {
  /** Throws OnboardingError `site-elsewhere`. */
  requireCurrent(): void
  heed(found: readonly Elsewhere[]): void
  readonly superseded: boolean
}

export function createSuccession(log: Log): Succession {
  let successor: Elsewhere | undefined
  let quiet = 0
  return {
    get superseded() {
      return successor !== undefined
    },
    requireCurrent() {
      if (successor === undefined) return
      throw new OnboardingError('site-elsewhere', { host: successor.host, serialHex: successor.serialHex })
    },
    heed(found) {
      const newer = found.find(({ kind }) => kind === 'newer')
      quiet = newer === undefined ? quiet + 1 : 0
      if (newer !== undefined) successor = newer
      else if (successor !== undefined && quiet >= quietLooks) {
        log.warn({ host: successor.host }, 'the other machine is gone: this one issues again')
        successor = undefined
      }
    },
  }
}

/** Looks soon after the start and then every hour, every minute while another goes on in our place, and tells the log. */
export function watchElsewhere(options: LookOptions & { readonly log: Log; readonly succession: Succession }): {
  close(): Promise<void>
} {
  const { log, succession } = options
  const end = new AbortController()
  let running: Promise<void> = Promise.resolve()
  let timer = setTimeout(() => look(), firstLookMs).unref()
  const look = () => {
    running = lookElsewhere({ ...options, signal: end.signal })
      .then(found => {
        succession.heed(found)
        tellElsewhere(found, log)
      })
      .catch((error: unknown) => {
        if (!end.signal.aborted)
          log.warn({ error: String(error) }, 'it could not be seen whether another machine is this site')
      })
      .finally(() => {
        if (end.signal.aborted) return
        timer = setTimeout(look, succession.superseded ? supersededLookMs : lookMs).unref()
      })
  }
  return {
    async close() {
      clearTimeout(timer)
      end.abort()
      await running
    },
  }
}

/** Other machines that answer as this site, at its names. Nothing is believed that does not chain to the site's own roots. */
export async function lookElsewhere(options: LookOptions): Promise<Elsewhere[]> {
  const { store, clock, authority, hosts, port, signal } = options
  const found: Elsewhere[] = []
  for (const host of hosts) {
    signal?.throwIfAborted()
    const chain = decoded(await certificatesAt(host, port, signal).catch(() => []))
    const [leaf] = chain
    if (leaf === undefined) continue
    const { registrar, roots } = authority()
    if (Buffer.compare(leaf.der, registrar.certificate.der) === 0) continue
    if (!isRegistrar(chain, roots, new Date(clock()))) continue
    const known = await isOnRecord(store, leaf)
    // Processes that share a record share the names, too: each has a certificate of its own, and all are on record.
    if (known && !(await isBefore(store, leaf, registrar.certificate))) continue
    found.push({ host, kind: known ? 'older' : 'newer', serialHex: leaf.serialHex })
  }
  return found
}

export function tellElsewhere(found: readonly Elsewhere[], log: Log): void {
  for (const { host, kind, serialHex } of found) {
    if (kind === 'newer')
      log.error(
        { code: 'site-elsewhere', host, serialHex },
        'another machine goes on as this site: nothing is issued here, stop this one',
      )
    else
      log.warn(
        { code: 'site-elsewhere', host, serialHex },
        'an older machine still answers as this site: switch it off',
      )
  }
}

async function certificatesAt(host: string, port: number, signal?: AbortSignal): Promise<readonly Uint8Array[]> {
  const name = isIP(host) === 0 ? { servername: host } : {}
  const socket = connect({ host, port, ...name, rejectUnauthorized: false, timeout: timeoutMs })
  socket.once('timeout', () => socket.destroy(new Error('no answer')))
  try {
    await once(socket, 'secureConnect', signal === undefined ? {} : { signal })
    return peerChain(socket)
  } finally {
    socket.destroy()
  }
}

function decoded(chain: readonly Uint8Array[]): Certificate[] {
  try {
    return chain.map(decodeCertificate)
  } catch (error) {
    if (error instanceof CodecError) return []
    throw error
  }
}

function isRegistrar(chain: readonly Certificate[], roots: readonly Certificate[], at: Date): boolean {
  const anchors = roots.map(certificate => ({ name: 'site', certificate }))
  try {
    validatePath({ chain, anchors, at, purpose: [extendedKeyUsageOid.cmcRA] })
    return true
  } catch (error) {
    if (error instanceof PathError) return false
    throw error
  }
}

async function isOnRecord(store: Store, leaf: Certificate): Promise<boolean> {
  return (await generationOf(store, leaf)) !== undefined
}

/** Made before a mark that a restore left: the machine that has its key is the one from before. */
async function isBefore(store: Store, leaf: Certificate, own: Certificate): Promise<boolean> {
  const [its, ours] = [await generationOf(store, leaf), await generationOf(store, own)]
  const mark = await store.read(tables => tables.setting.get(restoredMark))
  const since = typeof mark?.value === 'number' ? mark.value : 0
  return its !== undefined && ours !== undefined && its <= since && ours > since
}

/** A setting: how many registrar certificates there were when the record was last restored. */
export const restoredMark = 'restored-registrar'

/** More than a registrar has in a century. */
const most = 400

async function generationOf(store: Store, { der }: Certificate): Promise<number | undefined> {
  const wanted = Buffer.from(der).toString('base64')
  return store.read(async tables => {
    for (let generation = 1; generation < most; generation++) {
      const record = await tables.issuer.get(`registrar-${generation}`)
      if (record === undefined) return undefined
      if (record.certificate === wanted) return generation
    }
    return undefined
  })
}

/** After a restore: every registrar certificate until now belongs to the machine from before. */
export async function markRestored(store: Store): Promise<void> {
  await store.transaction(async tx => {
    let count = 0
    while (count < most && (await tx.issuer.get(`registrar-${count + 1}`)) !== undefined) count++
    const known = await tx.setting.get(restoredMark)
    if (known === undefined) await tx.setting.insert({ name: restoredMark, value: count })
    else await tx.setting.put({ name: restoredMark, value: count })
  })
}
