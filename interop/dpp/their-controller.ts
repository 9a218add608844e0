import { isDeepStrictEqual } from 'node:util'
import { decodeCertificationRequest } from '../../src/codec/pkcs10.ts'
import { peerBootstrapping } from '../../src/protocol/dpp/authentication.ts'
import type { DppCurve } from '../../src/protocol/dpp/curve.ts'
import { type DppKeyPair, exportSpki, generateDppKey } from '../../src/protocol/dpp/key.ts'
import { formatBootstrappingUri, parseBootstrappingUri } from '../../src/protocol/dpp/uri.ts'
import { certBag, type StationAuthority } from './authority.ts'
import { type Cell, curves, peerCurve } from './cell.ts'
import { hex, needsPassphrase, passphrase, peerAkm, serverName, ssid } from './network.ts'
import { type EnrolleeOutcome, type EnrolleePlan, runEnrollee } from './our-enrollee.ts'
import { type EventWatch, type HostapPeer, PeerError } from './peer.ts'
import { Door, Wire } from './wire.ts'

/** A Configurator of the peer on one curve: numbers in its control interface, and the URI of its bootstrapping key. */
interface Identity {
  readonly configurator: string
  readonly own: string
  readonly uri: string
}

/** How an exchange differs from one that goes well. */
interface Twist {
  /** Instead of what the cell says. */
  readonly conf?: string
  /** For DPP_CONFIGURATOR_ADD and its like. */
  readonly start?: string
  readonly plan?: Partial<EnrolleePlan>
  /** Does the peer know our code, whatever the authentication is to be. */
  readonly scanned?: boolean
  readonly check?: (outcome: EnrolleeOutcome, events: EventWatch) => void | Promise<void>
}

/** Debian's wpa_supplicant as Controller on TCP, and Mooring's Enrollee against it. */
export class TheirController {
  readonly #peer: HostapPeer
  readonly #authority: StationAuthority
  readonly #identities = new Map<DppCurve, Identity>()
  #port = 0

  constructor(peer: HostapPeer, authority: StationAuthority) {
    this.#peer = peer
    this.#authority = authority
  }

  static cells(): readonly Cell[] {
    const base = { mooring: 'enrollee', peer: 'wpa_supplicant' } as const
    const modes = ['one-way', 'mutual'] as const
    const every = (begins: Cell['begins'], authentication: Cell['authentication'], akms: readonly Cell['akm'][]) =>
      curves.flatMap(curve => akms.map(akm => ({ ...base, begins, authentication, curve, akm })))
    return [
      ...modes.flatMap(mode => every('enrollee', mode, Object.keys(peerAkm) as Cell['akm'][])),
      ...modes.flatMap(mode => every('controller', mode, ['dpp'])),
      ...every('chirp', 'one-way', ['dpp', 'dot1x']),
      ...Object.keys(twists).map(variant => ({
        ...base,
        begins: 'enrollee' as const,
        authentication: 'mutual' as const,
        curve: 'P-256' as const,
        akm: 'dpp' as const,
        variant,
      })),
    ]
  }

  async run(cell: Cell): Promise<void> {
    const { akm, curve, begins, authentication, variant } = cell
    const twist = variant === undefined ? {} : twists[variant]!
    const identity = await this.#identity(curve)
    const bootstrapping = generateDppKey(curve)
    const conf = `${twist.conf ?? confOf(cell)} configurator=${identity.configurator}`
    const events = this.#peer.watch()
    const csr = akm === 'dot1x' ? this.#sign(events) : undefined
    await this.#listen(conf, twist.start ?? '')
    const scanned = twist.scanned ?? (authentication === 'mutual' || begins !== 'enrollee')
    const known = scanned ? await this.#peer.command('DPP_QR_CODE', uriOf(bootstrapping)) : undefined
    const plan: EnrolleePlan = {
      bootstrapping,
      curve,
      how: begins === 'chirp' ? 'announce' : begins === 'enrollee' ? 'initiate' : 'listen',
      request: { name: 'interop', netRole: 'sta', thirdParty: {} },
      ...(begins === 'enrollee' || authentication === 'mutual' ? { configurator: peerOf(identity.uri) } : {}),
      ...twist.plan,
    }
    try {
      const reach = begins === 'controller' ? this.#reachedBy(known!, identity, conf, authentication) : this.#reach()
      const wire = await reach
      const scanning = { onPending: () => this.#scan(bootstrapping) }
      const outcome = await runEnrollee(wire, { ...scanning, ...plan })
      if (twist.check !== undefined) await twist.check(outcome, events)
      else await this.#check(cell, outcome, events)
      wire.close()
    } finally {
      await csr?.catch(() => {})
      await this.#peer.command('DPP_CONTROLLER_STOP')
      await this.#peer.command('DPP_STOP_LISTEN').catch(() => {})
    }
  }

  async #check(cell: Cell, outcome: EnrolleeOutcome, events: EventWatch): Promise<void> {
    const { akm, authentication } = cell
    const { state, mutual, configurations, netAccessKey } = outcome
    expect('state', state.type === 'failed' ? state : state.type, 'configured')
    expect('authentication', mutual === true ? 'mutual' : 'one-way', authentication)
    const [object, ...more] = configurations
    expect('configurations', [object?.cred.akm, more.length], [akm, 0])
    expect('ssid', Buffer.from(object!.ssid).toString(), ssid)
    expect('pass', object!.cred.pass?.revealText(), needsPassphrase(akm) ? passphrase : undefined)
    expect('Connector for our key', object!.connector?.netAccessKey.point.equals(netAccessKey!.point), true)
    if (akm === 'dot1x') {
      expect('certificates', object!.cred.entCreds?.certBag.length, 2)
      expect('server name', object!.cred.entCreds?.trustedEapServerName, serverName)
    }
    await events.until(['DPP-CONF-SENT'])
    expect(
      'failures of the peer',
      events.all.filter(({ name }) => /FAIL/.test(name)),
      [],
    )
  }

  async #identity(curve: DppCurve): Promise<Identity> {
    const known = this.#identities.get(curve)
    if (known !== undefined) return known
    const name = peerCurve[curve as keyof typeof peerCurve]
    const configurator = await this.#peer.command(`DPP_CONFIGURATOR_ADD curve=${name}`)
    const own = await this.#peer.command(`DPP_BOOTSTRAP_GEN type=qrcode curve=${name}`)
    const uri = await this.#peer.command(`DPP_BOOTSTRAP_GET_URI ${own}`)
    const made = { configurator, own, uri }
    this.#identities.set(curve, made)
    return made
  }

  /** What it gives is settled when it starts to listen. */
  async #listen(conf: string, options: string): Promise<void> {
    await this.#peer.command(`SET dpp_configurator_params ${conf}`)
    const door = await Door.open()
    this.#port = door.port
    await door.close()
    await this.#peer.command(`DPP_CONTROLLER_START tcp_port=${this.#port} role=configurator ${options}`)
  }

  #reach(): Promise<Wire> {
    return Wire.to(this.#port)
  }

  async #reachedBy(known: string, { own }: Identity, conf: string, mode: Cell['authentication']): Promise<Wire> {
    const door = await Door.open()
    try {
      const as = mode === 'mutual' ? `own=${own}` : ''
      await this.#peer.command(
        `DPP_AUTH_INIT peer=${known} ${as} tcp_addr=127.0.0.1 tcp_port=${door.port} neg_freq=2437 ${conf}`,
      )
      return await door.next()
    } finally {
      await door.close()
    }
  }

  async #scan(bootstrapping: DppKeyPair): Promise<void> {
    await this.#peer.command('DPP_QR_CODE', uriOf(bootstrapping))
  }

  /** It shows what it was asked to sign, and is given certificates. */
  async #sign(events: EventWatch): Promise<void> {
    const { text } = await events.until(['DPP-CSR'])
    const { peer, csr } = Object.fromEntries(text.split(' ').map(part => part.split(/=(.*)/).slice(0, 2)))
    const { spkiDer, subject } = decodeCertificationRequest(Buffer.from(csr, 'base64'))
    const certificates = await this.#authority.certify(spkiDer, subject.der)
    const set = (name: string, value: string) =>
      this.#peer.command(`DPP_CA_SET peer=${peer} name=${name} value=${value}`)
    await set('trustedEapServerName', serverName)
    await set('caCert', Buffer.from(this.#authority.root.der).toString('base64'))
    await set('certBag', certBag(certificates).toString('base64'))
  }
}

function confOf({ akm }: Cell): string {
  const secret = needsPassphrase(akm) ? ` pass=${hex(passphrase)}` : ''
  const request = akm === 'dot1x' ? ' csrattrs=MAsGCSqGSIb3DQEJBw==' : ''
  return `conf=sta-${peerAkm[akm]} ssid=${hex(ssid)}${secret}${request}`
}

export function uriOf(bootstrapping: DppKeyPair): string {
  return formatBootstrappingUri({ publicKey: exportSpki(bootstrapping), curve: bootstrapping.curve, version: 2 })
}

function peerOf(uri: string) {
  return peerBootstrapping(parseBootstrappingUri(uri))
}

export function expect(what: string, found: unknown, expected: unknown): void {
  if (isDeepStrictEqual(found, expected)) return
  throw new PeerError(`${what}: ${JSON.stringify(found)} instead of ${JSON.stringify(expected)}`)
}

/** Which failure an exchange ended with. */
function failedWith(reason: string, status?: number) {
  return ({ state }: EnrolleeOutcome) => {
    const failure = state.type === 'failed' ? state.failure : undefined
    expect('outcome', [state.type, failure?.reason, failure?.status], ['failed', reason, status])
  }
}

const plain = `conf=sta-dpp ssid=${hex(ssid)}`
const psk = '11223344556677889900aabbccddeeff11223344556677889900aabbccddeeff'

const twists: Readonly<Record<string, Twist>> = {
  'RESPONSE_PENDING: our code is scanned later': {
    start: 'qr=mutual',
    scanned: false,
    check(outcome, events) {
      expect('pending', outcome.pending, true)
      expect('state', outcome.state.type, 'configured')
      expect('mutual', outcome.mutual, true)
      expect('asked to scan', events.text('DPP-SCAN-PEER-QR-CODE') !== undefined, true)
    },
  },
  'no configuration for us: status 5': { conf: `conf=ap-dpp ssid=${hex(ssid)}`, check: failedWith('refused', 5) },
  'wrong key: the peer has another one': {
    plan: { configurator: peerOf(uriOf(generateDppKey('P-256'))), seconds: 3 },
    check: failedWith('timed-out'),
  },
  'a group and an expiry': {
    conf: `${plain} group_id=lamps expiry=2222222222`,
    check({ configurations, state }) {
      expect('state', state.type, 'configured')
      expect('groups', configurations[0]?.connector?.groups, [{ groupId: 'lamps', netRole: 'sta' }])
      expect('expiry', configurations[0]?.connector?.expiry?.toISOString(), '2040-06-02T03:57:02.000Z')
    },
  },
  'an expiry that has passed': { conf: `${plain} expiry=1000000000`, check: rejected },
  'psk_hex instead of a passphrase': {
    conf: `conf=sta-psk ssid=${hex(ssid)} psk=${psk}`,
    check({ configurations, state }) {
      expect('state', state.type, 'configured')
      expect('psk', configurations[0]?.cred.psk?.reveal().toString('hex'), psk)
    },
  },
  'connection status is asked for': {
    conf: `${plain} conn_status=1`,
    async check({ state }, events) {
      expect('state', state.type, 'configured')
      expect('waits', (await events.until(['DPP-CONF-SENT'])).text, 'wait_conn_status=1')
    },
  },
}

async function rejected({ state }: EnrolleeOutcome, events: EventWatch): Promise<void> {
  const failure = state.type === 'failed' ? state.failure : undefined
  expect('outcome', [state.type, failure?.reason], ['failed', 'rejected'])
  await events.until(['DPP-CONF-FAILED'])
}
