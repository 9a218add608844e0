import { hash } from 'node:crypto'
import type { BootstrappingKeyRecord } from '../../domain/bootstrapping.ts'
import { OnboardingError } from '../../domain/error.ts'
import type { Clock, Random, Store, Tables } from '../../domain/port.ts'
import { protocolVersion } from '../../protocol/dpp/authentication.ts'
import { type Connector, signConnector } from '../../protocol/dpp/connector.ts'
import { curveProfile, type DppCurve } from '../../protocol/dpp/curve.ts'
import type { DppFrame } from '../../protocol/dpp/frame.ts'
import { type DppKeyPair, exportUncompressedSpki, generateDppKey, keyId } from '../../protocol/dpp/key.ts'
import type { ConfiguratorOptions } from '../../protocol/dpp/reconfiguration-configurator.ts'
import { revealIdentity } from '../../protocol/dpp/reconfiguration-identity.ts'
import { decodeReconfigurationAnnouncement } from '../../protocol/dpp/reconfiguration-message.ts'
import { activeKey } from './bootstrapping.ts'
import type { ConfiguratorKey, ConfiguratorKeys } from './configurator-key.ts'
import type { EnrolleeDecisions } from './enrollee-decision.ts'
import { requireReturning } from './returning-credential.ts'

/** What an announcement asks for. */
export interface Announced {
  /** E-id, hex. */
  readonly identity: string
  readonly options: ConfiguratorOptions
}

/** Who comes back, and by which Connector. */
export interface ReturningHolder {
  readonly key: BootstrappingKeyRecord
  /** Id of its credential. */
  readonly connector: string
}

export interface Reconfiguration {
  /** Undefined for who was configured by somebody else. Throws CodecError or CryptoError for what is no announcement. */
  announced(frame: DppFrame): Promise<Announced | undefined>
  /**
   * The device of a Connector that was verified and is held by who shows it. Throws OnboardingError `connector-not-in-force` or
   * what admission says.
   */
  identify(connector: Connector, address: string): Promise<ReturningHolder>
}

interface Options {
  readonly store: Store
  readonly clock: Clock
  readonly random: Random
  readonly keys: ConfiguratorKeys
  readonly decisions: EnrolleeDecisions
}

export function createReconfiguration(options: Options): Reconfiguration {
  const { store, random, keys, decisions } = options
  const own = createOwnConnectors(options.clock)
  return {
    async announced(frame) {
      // What was signed with a former key is still out there: its holders come for the new one.
      const signing = await keys.all('c-sign')
      const byHash = (csignHash: Uint8Array) => signing.find(({ pair }) => hashOf(pair).equals(csignHash))
      const announcement = decodeReconfigurationAnnouncement(frame.attributes, csign => byHash(csign)?.pair.curve)
      const cSign = announcement && byHash(announcement.csignHash)
      if (announcement === undefined || cSign === undefined) return undefined
      const { curve } = announcement
      const pp = await keys.current('pp', cSign.pair.curve)
      const identity = revealIdentity(announcement, pp.pair).point.toString('hex')
      const { connector, netAccessKey } = own(cSign, curve)
      const nonce = random(curveProfile(curve).nonceSize)
      const [transaction = 1] = random(1)
      const csign = cSign.pair
      return {
        identity,
        options: { curve, csign, connector, netAccessKey, nonce, transaction, version: protocolVersion },
      }
    },
    async identify(connector, address) {
      const holder = await store.read(tables => holderOf(tables, connector))
      const { key } = holder
      const attempt = hash('sha256', connector.text)
      const decision = await decisions.knock({ key, id: attempt, transcript: attempt, address })
      if (decision.verdict !== 'admit') throw new OnboardingError(decision.code, { device: decision.device })
      return holder
    },
  }
}

function hashOf(pair: DppKeyPair): Buffer {
  return Buffer.from(keyId(pair), 'base64url')
}

/** By the key in it, and by every octet: what we have signed and not on record is nobody's. */
async function holderOf(
  tables: Pick<Tables, 'credential' | 'device' | 'bootstrappingKey'>,
  { netAccessKey, text }: Connector,
): Promise<ReturningHolder> {
  const keyHash = hash('sha256', exportUncompressedSpki(netAccessKey))
  const ofKey = await tables.credential.find({ keyHash }, { limit: 1000 })
  const shown = Buffer.from(text).toString('base64')
  const found = ofKey.find(({ form, certificate }) => form === 'connector' && certificate === shown)
  const record = await requireReturning(tables, found)
  const device = await tables.device.get(record.device)
  const key = device?.bootstrappingKey && (await activeKey(tables, device.bootstrappingKey))
  if (!key) throw new OnboardingError('bootstrapping-key-unknown', { device: record.device })
  return { key, connector: record.id }
}

const day = 86_400_000

/** Our own Connector, for each C-sign key and curve: made when it is asked for, and anew before it ends. */
function createOwnConnectors(clock: Clock) {
  const made = new Map<
    string,
    { readonly connector: string; readonly netAccessKey: DppKeyPair; readonly until: number }
  >()
  return ({ record, pair }: ConfiguratorKey, curve: DppCurve) => {
    const place = `${record.id} ${curve}`
    const at = clock()
    const known = made.get(place)
    if (known !== undefined && Math.abs(known.until - at) < day && known.until - at > day / 2) return known
    const netAccessKey = generateDppKey(curve)
    const fields = { groups: [{ groupId: '*', netRole: 'configurator' }], netAccessKey, expiry: new Date(at + day) }
    const connector = signConnector(fields, { key: pair.privateKey, csign: pair })
    const next = { connector, netAccessKey, until: at + day }
    made.set(place, next)
    return next
  }
}
