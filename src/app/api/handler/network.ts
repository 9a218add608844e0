import type * as z from 'zod'
import { CodecError } from '../../../codec/error.ts'
import { decodePem } from '../../../codec/pem.ts'
import { decodeCertificate } from '../../../codec/x509/certificate.ts'
import { OnboardingError } from '../../../domain/error.ts'
import {
  isText,
  type NetworkDefinition,
  type NetworkFinding,
  type NetworkTerms,
  networkFindings,
} from '../../../domain/network-definition.ts'
import {
  addNetwork,
  changeNetwork,
  type NetworkAnswer,
  networkNamed,
  removeNetwork,
  termsOf,
  usageOf,
} from '../../../role/onboarding/network-directory.ts'
import { defined } from '../../defined.ts'
import type { NetworkView, networkOperations } from '../contract/network.ts'
import type { ApiServices, Handlers } from '../service.ts'
import { anchorView, instant, pageView } from '../view.ts'

type Names = 'networkAdd' | 'networkList' | 'networkShow' | 'networkChange' | 'networkRemove'
type Change = z.output<(typeof networkOperations)['networkChange']['body']>

const initial: Omit<NetworkTerms, 'ssid64' | 'akm'> = {
  segments: [{ name: 'devices', group: 'devices' }],
  passphraseLength: 32,
  channels: [],
  netAccessKeyCurve: 'P-256',
  cSignCurve: 'P-256',
  pmksaCaching: false,
}

export function networkHandlers({ store, clock }: ApiServices): Pick<Handlers, Names> {
  const place = { store, clock }
  return {
    async networkAdd({ body: { name, akm, ...given } }, { by }) {
      const ssid64 = ssidOf(given)
      if (ssid64 === undefined) throw new OnboardingError('input-invalid', { field: 'ssid', rule: 'ssid or ssid64' })
      return networkView(await addNetwork(place, name, changed({ ...initial, ssid64, akm }, given), by))
    },
    async networkList({ query: { after = '', limit } }) {
      const found = await store.read(async tables => {
        const networks = await tables.network.find({ status: 'active' }, { after, limit })
        return Promise.all(
          networks.map(async network => ({
            network,
            findings: networkFindings(termsOf(network)),
            devices: await usageOf(tables, network.name),
          })),
        )
      })
      return pageView(found, { view: networkView, key: ({ network }) => network.name, limit })
    },
    async networkShow({ params: { name } }) {
      return networkView(await networkNamed(store, name))
    },
    async networkChange({ params: { name }, body }, { by }) {
      return networkView(await changeNetwork(place, name, before => changed(termsOf(before), body), by))
    },
    async networkRemove({ params: { name } }, { by }) {
      await removeNetwork(place, name, by)
      return { removed: name }
    },
  }
}

/** What the body names takes the place of what was. Throws OnboardingError `input-invalid`. */
function changed(before: NetworkTerms, body: Change): NetworkTerms {
  const { ssid: _, ssid64: __, segments, serverName, serverCa, curve, connectorLifetimeDays, ...rest } = body
  const { dot1x: ___, connectorLifetimeDays: ____, ...kept } = before
  const akm = body.akm ?? before.akm
  return {
    ...kept,
    ...defined(rest),
    ...defined({
      ssid64: ssidOf(body),
      netAccessKeyCurve: curve,
      // Of another kind of network it says nothing.
      dot1x: akm === 'dot1x' || serverName !== undefined ? serverOf(before, { serverName, serverCa }) : undefined,
      // 0 takes the limit away.
      connectorLifetimeDays: (connectorLifetimeDays ?? before.connectorLifetimeDays) || undefined,
    }),
    ...(segments === undefined
      ? {}
      : { segments: segments.map(({ name, group = name, vlan }) => ({ name, group, ...defined({ vlan }) })) }),
  }
}

function ssidOf({ ssid, ssid64 }: Pick<Change, 'ssid' | 'ssid64'>): string | undefined {
  if (ssid !== undefined && ssid64 !== undefined) {
    throw new OnboardingError('input-invalid', { field: 'ssid', rule: 'ssid or ssid64, not both' })
  }
  return ssid === undefined ? ssid64 : Buffer.from(ssid).toString('base64url')
}

function serverOf(
  { dot1x }: NetworkTerms,
  { serverName = dot1x?.serverName, serverCa }: Pick<Change, 'serverName' | 'serverCa'>,
): NetworkTerms['dot1x'] {
  if (serverName === undefined) return undefined
  const ca = serverCa === undefined ? dot1x?.ca : anchorOf(serverCa)
  return { serverName, ...defined({ ca }) }
}

/** One certificate, DER base64. */
function anchorOf(pem: string): string {
  try {
    const [block, ...more] = decodePem(pem)
    if (block?.label !== 'CERTIFICATE' || more.length > 0) throw new CodecError('bad-value', 'not one certificate')
    return Buffer.from(decodeCertificate(block.bytes).der).toString('base64')
  } catch (cause) {
    if (!(cause instanceof CodecError)) throw cause
    throw new OnboardingError('input-invalid', { field: 'serverCa', rule: 'one certificate in PEM' }, { cause })
  }
}

function networkView({ network, findings, devices }: NetworkAnswer): NetworkView {
  const { name, ssid64, akm, segments, passphraseLength, connectorLifetimeDays, channels, dot1x } = network
  const octets = Buffer.from(ssid64, 'base64url')
  return {
    ...{ name, ssid64, akm, passphraseLength, channels: [...channels] },
    ...(isText(octets) ? { ssid: octets.toString('utf8') } : {}),
    segments: segments.map(segment => ({ ...segment, devices: devices[segment.name] ?? 0 })),
    ...defined({ connectorLifetimeDays, server: dot1x === undefined ? undefined : serverView(dot1x) }),
    curve: network.netAccessKeyCurve,
    cSignCurve: network.cSignCurve,
    pmksaCaching: network.pmksaCaching,
    findings: findings.map(({ rule, message }: NetworkFinding) => ({ rule, message })),
    changedAt: instant(network.changedAt),
    changedBy: network.changedBy,
  }
}

function serverView({ serverName, ca }: NonNullable<NetworkDefinition['dot1x']>): NonNullable<NetworkView['server']> {
  return { name: serverName, ...(ca === undefined ? {} : { ca: anchorView(ca) }) }
}
