import { peerBootstrapping } from '../../src/protocol/dpp/authentication.ts'
import { generateDppKey } from '../../src/protocol/dpp/key.ts'
import { parseBootstrappingUri } from '../../src/protocol/dpp/uri.ts'
import type { StationAuthority } from './authority.ts'
import { allAkms, type Cell, curves, peerCurve } from './cell.ts'
import { hex, needsPassphrase, passphrase, ssid } from './network.ts'
import {
  type ConfiguratorOutcome,
  type ConfiguratorPlan,
  configureFailure,
  runConfigurator,
} from './our-configurator.ts'
import { type EventWatch, type HostapPeer, PeerError } from './peer.ts'
import { expect, uriOf } from './their-controller.ts'
import { Door, Wire } from './wire.ts'

/** How an exchange differs from one that goes well. */
interface Twist {
  readonly begins?: Cell['begins']
  readonly akm?: Cell['akm']
  /** For DPP_AUTH_INIT or DPP_CONTROLLER_START. */
  readonly options?: string
  /** The peer has scanned another code than ours. */
  readonly wrongCode?: boolean
  /** What we know of it is another key than its own. */
  readonly wrongKey?: boolean
  readonly awaitsScan?: boolean
  readonly plan?: Partial<ConfiguratorPlan>
  readonly check?: (outcome: ConfiguratorOutcome, events: EventWatch) => void | Promise<void>
}

/** Debian's wpa_supplicant or hostapd as Enrollee over TCP, and Mooring's Configurator for it. */
export class TheirEnrollee {
  readonly #peer: HostapPeer
  readonly #authority: StationAuthority

  constructor(peer: HostapPeer, authority: StationAuthority) {
    this.#peer = peer
    this.#authority = authority
  }

  static cells(peer: Cell['peer']): readonly Cell[] {
    const base = { mooring: 'controller', peer } as const
    const modes = ['one-way', 'mutual'] as const
    // An access point has no use for a certificate: it asks for none.
    const akms = peer === 'hostapd' ? allAkms.filter(akm => akm !== 'dot1x') : allAkms
    const every = (begins: Cell['begins'], authentication: Cell['authentication'], of: readonly Cell['akm'][]) =>
      curves.flatMap(curve => of.map(akm => ({ ...base, begins, authentication, curve, akm })))
    const regular = modes.flatMap(mode => every('enrollee', mode, akms))
    if (peer === 'hostapd') return regular
    return [
      ...regular,
      ...modes.flatMap(mode => every('controller', mode, ['dpp', 'dot1x'])),
      ...Object.entries(twists).map(([variant, { begins = 'enrollee' as const, akm = 'dpp' as const }]) => ({
        ...base,
        begins,
        authentication: 'mutual' as const,
        curve: 'P-256' as const,
        akm,
        variant,
      })),
    ]
  }

  async run(cell: Cell): Promise<void> {
    const { authentication, curve, begins, akm, variant } = cell
    const twist = variant === undefined ? {} : twists[variant]!
    const bootstrapping = generateDppKey(curve)
    const own = await this.#peer.command(
      `DPP_BOOTSTRAP_GEN type=qrcode curve=${peerCurve[curve as keyof typeof peerCurve]}`,
    )
    const uri = await this.#peer.command(`DPP_BOOTSTRAP_GET_URI ${own}`)
    const enrollee = peerOf(twist.wrongKey === true ? uriOf(generateDppKey(curve)) : uri)
    const events = this.#peer.watch()
    const scan = () =>
      this.#peer.command('DPP_QR_CODE', uriOf(twist.wrongCode === true ? generateDppKey(curve) : bootstrapping))
    const plan: ConfiguratorPlan = {
      bootstrapping,
      akm,
      csign: generateDppKey(curve),
      ppKey: generateDppKey(curve),
      how: begins === 'enrollee' ? 'respond' : 'initiate',
      ...(twist.awaitsScan === true && begins === 'enrollee'
        ? { scanLater: () => this.#pending(events, enrollee) }
        : begins === 'controller' || authentication === 'mutual'
          ? { enrollee }
          : {}),
      ...(twist.awaitsScan === true && begins === 'controller' && { onPending: async () => void (await scan()) }),
      ...twist.plan,
    }
    try {
      if (begins === 'controller' && authentication === 'mutual' && twist.awaitsScan !== true) await scan()
      const as = authentication === 'mutual' ? `own=${own}` : ''
      const reach = begins === 'enrollee' ? this.#asked(await scan(), as, twist) : this.#listens(twist)
      const outcome = await runConfigurator(await reach, plan, this.#authority)
      if (twist.check !== undefined) await twist.check(outcome, events)
      else await this.#check(cell, outcome, events)
    } finally {
      if (begins === 'controller') await this.#peer.command('DPP_CONTROLLER_STOP')
      await this.#peer.command('DPP_STOP_LISTEN').catch(() => {})
      await this.#peer.command('DPP_BOOTSTRAP_REMOVE', own).catch(() => {})
    }
  }

  async #asked(code: string, as: string, { options = 'role=enrollee' }: Twist): Promise<Wire> {
    const door = await Door.open()
    try {
      await this.#peer.command(
        `DPP_AUTH_INIT peer=${code} ${as} tcp_addr=127.0.0.1 tcp_port=${door.port} neg_freq=2437 ${options}`,
      )
      return await door.next()
    } finally {
      await door.close()
    }
  }

  async #listens({ options = '' }: Twist): Promise<Wire> {
    const door = await Door.open()
    const { port } = door
    await door.close()
    await this.#peer.command(`DPP_CONTROLLER_START tcp_port=${port} role=enrollee ${options}`)
    return await Wire.to(port)
  }

  /** It has heard that it is to wait, and now its code is scanned. */
  async #pending(events: EventWatch, enrollee: ReturnType<typeof peerOf>) {
    await events.until(['DPP-RESPONSE-PENDING'])
    return enrollee
  }

  async #check({ akm, authentication, peer }: Cell, outcome: ConfiguratorOutcome, events: EventWatch): Promise<void> {
    expect('outcome', outcome.state, { type: 'finished', outcome: 'accepted' })
    expect('result', outcome.result, 0)
    expect('authentication', outcome.mutual === true ? 'mutual' : 'one-way', authentication)
    expect('its role', outcome.request?.netRole, peer === 'hostapd' ? 'ap' : 'sta')
    await events.until(['DPP-NET-ACCESS-KEY'])
    expect('akm', events.text('DPP-CONFOBJ-AKM'), akm)
    expect('ssid', events.text('DPP-CONFOBJ-SSID'), ssid)
    expect('pass', events.text('DPP-CONFOBJ-PASS'), needsPassphrase(akm) ? hex(passphrase) : undefined)
    expect('Connector', events.text('DPP-CONNECTOR')?.split('.').length, 3)
    // hostapd has no use for it, and does not say that it has it.
    if (peer !== 'hostapd') expect('ppKey', events.text('DPP-PP-KEY') !== undefined, true)
    if (akm === 'dot1x') await events.until(['DPP-CERTBAG'])
    expect(
      'failures of the peer',
      events.all.filter(({ name }) => /FAIL/.test(name)),
      [],
    )
  }
}

function peerOf(uri: string) {
  return peerBootstrapping(parseBootstrappingUri(uri))
}

function refusedBy(events: EventWatch, names: readonly string[]): void {
  const seen = events.all.map(({ name }) => name)
  if (seen.includes('DPP-CONF-RECEIVED')) throw new PeerError('the peer was configured')
  for (const name of names) expect(name, seen.includes(name), true)
}

const psk = Buffer.alloc(32, 0x5a)
const expiry = new Date('2040-06-02T03:57:02Z')
const raw = Buffer.from('636166e92d6e6574', 'hex')

function received(name: string, value: string) {
  return async (outcome: ConfiguratorOutcome, events: EventWatch) => {
    expect('outcome', outcome.state, { type: 'finished', outcome: 'accepted' })
    await events.until(['DPP-NET-ACCESS-KEY'])
    expect(name, events.text(name), value)
  }
}

const twists: Readonly<Record<string, Twist>> = {
  'RESPONSE_PENDING: we scan its code later': {
    awaitsScan: true,
    check(outcome, events) {
      expect('told to wait', events.text('DPP-RESPONSE-PENDING') !== undefined, true)
      expect('outcome', [outcome.pending, outcome.mutual, outcome.state?.type], [true, true, 'finished'])
    },
  },
  'RESPONSE_PENDING: it scans our code later': {
    begins: 'controller',
    awaitsScan: true,
    options: 'qr=mutual',
    check(outcome) {
      expect('outcome', [outcome.pending, outcome.mutual, outcome.state?.type], [true, true, 'finished'])
    },
  },
  'wrong key: it has scanned another code': {
    wrongCode: true,
    check(outcome, events) {
      expect('state', outcome.state, undefined)
      refusedBy(events, [])
    },
  },
  'wrong key: we know another one': {
    begins: 'controller',
    wrongKey: true,
    plan: { seconds: 3 },
    check(outcome, events) {
      expect('state', outcome.state?.type, 'failed')
      refusedBy(events, [])
    },
  },
  'NOT_COMPATIBLE: two Configurators': {
    options: 'role=configurator',
    async check(outcome, events) {
      await events.until(['DPP-NOT-COMPATIBLE'])
      expect('state', outcome.state?.type, 'failed')
      refusedBy(events, [])
    },
  },
  'it offers both roles': { options: 'role=either' },
  'no configuration for it: status 5': {
    plan: { refuse: configureFailure },
    async check(outcome, events) {
      expect('outcome', outcome.state, { type: 'finished', outcome: 'refused' })
      await events.until(['DPP-FAIL', 'DPP-CONF-FAILED'])
      refusedBy(events, [])
    },
  },
  'a group and an expiry': { plan: { connector: { expiry, groups: [{ groupId: 'lamps', netRole: 'sta' }] } } },
  'an expiry that has passed': {
    plan: { connector: { expiry: new Date('2001-01-01T00:00:00Z') } },
    check(outcome, events) {
      // It lets the connection go instead of saying so.
      expect('outcome', outcome.state, { type: 'finished', outcome: 'unconfirmed' })
      refusedBy(events, [])
    },
  },
  'psk_hex instead of a passphrase': {
    akm: 'psk',
    plan: { psk },
    check: received('DPP-CONFOBJ-PSK', psk.toString('hex')),
  },
  'an SSID that is no text': {
    plan: { object: { ssid: raw } },
    check: received('DPP-CONFOBJ-SSID', 'caf\\xe9-net'),
  },
  'ssid64 for one that is': { plan: { spelling: { ssid: 'ssid64' } } },
  'AKM selectors instead of names': { akm: 'dpp+psk+sae', plan: { spelling: { akm: 'selector' } } },
  'C-sign key on another curve': { plan: { csign: generateDppKey('P-384'), ppKey: generateDppKey('P-384') } },
  'two networks': {
    plan: { objects: 2 },
    async check(outcome, events) {
      expect('outcome', outcome.state, { type: 'finished', outcome: 'accepted' })
      await events.until(['DPP-NET-ACCESS-KEY'])
      const names = events.all.filter(({ name }) => name === 'DPP-CONFOBJ-SSID').map(({ text }) => text)
      expect('networks', names, [ssid, `${ssid}-1`])
    },
  },
}
