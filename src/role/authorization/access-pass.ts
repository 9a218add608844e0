import type { AccessSession } from '../../domain/access-session.ts'
import type { Device } from '../../domain/device.ts'
import { deviceId } from '../../domain/device.ts'
import { OnboardingError } from '../../domain/error.ts'
import { lifeRefusal } from '../../domain/lifecycle-onboarding.ts'
import type { NetworkDefinition } from '../../domain/network-definition.ts'
import type { Clock, Peer, Tables } from '../../domain/port.ts'
import type { CredentialCheck, CredentialHolder } from '../onboarding/credential-holder.ts'
import type { BirthIdentity } from '../onboarding/device-identity.ts'
import { checkBirthKey, checkBirthPlace, checkOwner, checkStanding, checkStay } from '../onboarding/standing.ts'
import { checkRecall } from '../supply-chain/recall-check.ts'

export interface AccessPlace {
  readonly segment?: string
  readonly vlan?: number
}

/** As whom a device comes, until when at most, and where to. */
export interface AccessPass {
  readonly device: string
  /** Empty for a birth certificate: it opens the way to onboarding, and no other. */
  readonly credential: string
  readonly notAfter: number
  readonly seconds: number
  /** From the record as it is now. Throws OnboardingError when that is against the device. */
  place(tables: Tables, device: Device): Promise<AccessPlace>
}

export interface PassOptions {
  readonly clock: Clock
  readonly credentials: CredentialCheck
  readonly owners: readonly string[]
  /** Until a device has to authenticate again, seconds; an hour when absent. */
  readonly sessionSeconds?: number
  /** Where a device goes that shows its birth certificate: to be onboarded there. Nowhere when absent. */
  readonly onboarding?: {
    readonly segment: string
    readonly identify: (peer: Peer) => Promise<BirthIdentity>
  }
}

const anHour = 3600
/** An onboarding takes seconds, and one that waits for a person comes again. */
const tenMinutes = 600

/** Throws OnboardingError `credential-not-in-force`, `access-certificate-foreign`, `idevid-…`. */
export async function passOf(options: PassOptions, peer: Peer, ssid: string | undefined): Promise<AccessPass> {
  const holder = await options.credentials.holder(peer)
  if (holder !== undefined) return holdersPass(options, holder, ssid)
  if (options.onboarding === undefined) throw new OnboardingError('access-certificate-foreign')
  const { segment, identify } = options.onboarding
  return newcomersPass(options, await identify(peer), { segment, address: peer.address })
}

/** Where the device of a session belongs now. Throws OnboardingError when it may not stay. */
export async function placeOfSession(
  { owners, clock }: Pick<PassOptions, 'owners' | 'clock'>,
  tables: Tables,
  { credential: id, device: of, ssid, segment = '' }: AccessSession,
): Promise<AccessPlace> {
  const device = await tables.device.get(of)
  if (device === undefined) throw new OnboardingError('device-not-found', { device: of })
  if (id === '') {
    await requireNewcomer(tables, device)
    return segmentNamed(tables, segment)
  }
  const credential = await tables.credential.get(id)
  if (credential?.status !== 'issued' || clock() > credential.notAfter) {
    throw new OnboardingError('credential-not-in-force', { status: credential?.status ?? 'unknown' })
  }
  await requireWelcome(tables, device, owners)
  return holdersPlace(tables, device, ssid)
}

function holdersPass(
  options: PassOptions,
  { device, credential }: CredentialHolder,
  ssid: string | undefined,
): AccessPass {
  return {
    device,
    credential: credential.id,
    notAfter: credential.notAfter,
    seconds: options.sessionSeconds ?? anHour,
    async place(tables, current) {
      await requireWelcome(tables, current, options.owners)
      return holdersPlace(tables, current, ssid)
    },
  }
}

/** Only of a device that is on record: nobody else has a place to be onboarded to. */
function newcomersPass(
  { clock }: PassOptions,
  { identity }: BirthIdentity,
  { segment, address }: { readonly segment: string; readonly address: string },
): AccessPass {
  return {
    device: deviceId(identity.manufacturer, identity.serial),
    credential: '',
    notAfter: identity.until ?? Number.MAX_SAFE_INTEGER,
    seconds: tenMinutes,
    async place(tables, device) {
      checkBirthKey(device, identity)
      checkBirthPlace(device, address, clock())
      await requireNewcomer(tables, device)
      return segmentNamed(tables, segment)
    },
  }
}

/** The one order in which a device that shows a network credential is looked at. Throws OnboardingError. */
async function requireWelcome(tables: Tables, device: Device, owners: readonly string[]): Promise<void> {
  checkStanding(device)
  checkOwner(device, owners)
  await checkRecall(tables, device)
  checkStay(device)
}

/** Who waits for a person may come and ask; whom people have turned away may not. */
async function requireNewcomer(tables: Tables, device: Device): Promise<void> {
  const { id, standing } = device
  const over = lifeRefusal(device)
  if (over !== undefined) throw new OnboardingError(over, { device: id })
  if (standing === 'withdrawn') throw new OnboardingError('device-withdrawn', { device: id })
  if (standing === 'denied') throw new OnboardingError('device-denied', { device: id })
  await checkRecall(tables, device)
}

/**
 * The segment of the policies, in the network that has it; without one the first segment of the network that the device is
 * on. Throws OnboardingError `access-segment-undefined`: nobody is put anywhere by accident.
 */
async function holdersPlace(tables: Tables, { terms }: Device, ssid: string | undefined): Promise<AccessPlace> {
  if (terms?.segment !== undefined) return segmentNamed(tables, terms.segment)
  if (ssid === undefined) return {}
  const here = (await networksOf(tables)).find(network => ssidOf(network) === ssid)
  const [first] = here?.segments ?? []
  return first === undefined ? {} : placed(first)
}

async function segmentNamed(tables: Tables, wanted: string): Promise<AccessPlace> {
  const networks = await networksOf(tables)
  const segment = networks.flatMap(({ segments }) => segments).find(({ name }) => name === wanted)
  if (segment !== undefined) return placed(segment)
  // Where there are no networks at all a segment is a name: a gateway knows where it is.
  if (networks.length === 0) return { segment: wanted }
  throw new OnboardingError('access-segment-undefined', { segment: wanted })
}

function networksOf(tables: Tables): Promise<readonly NetworkDefinition[]> {
  return tables.network.find({ status: 'active' }, { limit: 1000 })
}

function placed({ name, vlan }: NetworkDefinition['segments'][number]): AccessPlace {
  return { segment: name, ...(vlan === undefined ? {} : { vlan }) }
}

function ssidOf({ ssid64 }: NetworkDefinition): string {
  return Buffer.from(ssid64, 'base64url').toString('utf8')
}
