import { createQrCodeReader } from '../../../adapter/image/qr-code.ts'
import { decodeBase64 } from '../../../codec/base64.ts'
import type { BootstrappingKeyRecord } from '../../../domain/bootstrapping.ts'
import type { Device } from '../../../domain/device.ts'
import { OnboardingError } from '../../../domain/error.ts'
import type { Tables } from '../../../domain/port.ts'
import { checkBootstrappingUri, notDpp, type UriFinding } from '../../../protocol/dpp/uri-check.ts'
import { createBootstrapping, type ScannedKey } from '../../../role/onboarding/bootstrapping.ts'
import { activeNetworks } from '../../../role/onboarding/network-definition.ts'
import { defined } from '../../defined.ts'
import type { BootstrappingKeyView } from '../contract/dpp.ts'
import type { ApiServices, Handlers } from '../service.ts'
import { instant, pageView } from '../view.ts'

type Names = 'dppKeyAdd' | 'dppCodeRead' | 'dppAccessPointAdd' | 'dppKeyList' | 'dppKeyShow' | 'dppKeyRemove'

export function dppHandlers({ store, clock }: ApiServices): Pick<Handlers, Names> {
  const bootstrapping = createBootstrapping({ store, clock })
  const reader = createQrCodeReader()
  const keyNamed = (id: string) =>
    store.read(async tables => {
      const record = await tables.bootstrappingKey.get(id)
      if (record === undefined) throw new OnboardingError('bootstrapping-key-unknown', { key: id })
      return viewOf(tables, record)
    })
  return {
    async dppKeyAdd({ body }, { by }) {
      const { key } = await bootstrapping.add(scanned(body), by)
      return keyNamed(key.id)
    },
    async dppAccessPointAdd({ body }, { by }) {
      const { key } = await bootstrapping.add({ ...scanned(body), netRole: 'ap' }, by)
      return keyNamed(key.id)
    },
    async dppCodeRead({ body }) {
      const texts = await reader.read(decodeBase64(body.picture))
      const uri = bootstrappingCode(texts)
      const networks = await store.read(activeNetworks)
      const { findings } = checkBootstrappingUri(uri, { channels: networks.flatMap(({ channels }) => channels) })
      return { uri, findings: findings.map(findingView) }
    },
    async dppKeyList({ query: { after = '', limit, device } }) {
      const found = await store.read(async tables => {
        const filter = device === undefined ? { state: 'active' as const } : { device, state: 'active' as const }
        const records = await tables.bootstrappingKey.find(filter, { after, limit })
        return Promise.all(records.map(record => viewOf(tables, record)))
      })
      return pageView(found, { view: each => each, key: ({ key }) => key, limit })
    },
    dppKeyShow: ({ params: { key } }) => keyNamed(key),
    async dppKeyRemove({ params: { key } }, { by }) {
      await bootstrapping.remove(key, by)
      return keyNamed(key)
    },
  }
}

type Scanned = { readonly [M in 'manufacturer' | 'serial' | 'model']?: ScannedKey[M] | undefined } & {
  readonly uri: string
}

/** Another kind of code is named, so that nobody scans it a third time. Throws OnboardingError `bootstrapping-uri-invalid`. */
export function scanned({ uri: given, ...who }: Scanned): ScannedKey {
  const uri = given.trim()
  if (!uri.startsWith('DPP:')) throw new OnboardingError('bootstrapping-uri-invalid', { reason: notDpp(uri) })
  return { uri, ...defined(who) }
}

/** Of all codes in a picture. Throws OnboardingError `code-missing`, `code-several`, `bootstrapping-uri-invalid`. */
function bootstrappingCode(texts: readonly string[]): string {
  const codes = [...new Set(texts)].filter(text => text.startsWith('DPP:'))
  if (codes.length > 1) throw new OnboardingError('code-several', { codes: codes.length })
  const [code] = codes
  if (code !== undefined) return code
  const [other] = texts
  if (other === undefined) throw new OnboardingError('code-missing')
  throw new OnboardingError('bootstrapping-uri-invalid', { reason: notDpp(other) })
}

function findingView({ severity, rule, message }: UriFinding) {
  return { severity, rule, message }
}

async function viewOf(
  tables: Pick<Tables, 'device' | 'network'>,
  record: BootstrappingKeyRecord,
): Promise<BootstrappingKeyView> {
  const device = await tables.device.get(record.device)
  if (device === undefined) throw new OnboardingError('internal', { key: record.id })
  const channels = (await activeNetworks(tables)).flatMap(network => network.channels)
  return keyView(record, device, channels)
}

function keyView(record: BootstrappingKeyRecord, device: Device, places: readonly string[]): BootstrappingKeyView {
  const { uri, findings } = checkBootstrappingUri(record.uri, { channels: places })
  const { manufacturer, serial, model, standing, rung } = device
  const { curve = '', mac, channels = [], information, version = 1 } = uri ?? {}
  return {
    ...{ key: record.id, device: device.id, manufacturer, serial, model, standing, rung, curve, version },
    netRole: record.netRole,
    ...defined({ mac: mac?.match(/../g)?.join(':'), information }),
    channels: channels.map(({ operatingClass, channel }) => `${operatingClass}/${channel}`),
    ...{ source: record.source, declared: record.declaration !== undefined, state: record.state },
    ...{ addedAt: instant(record.addedAt), addedBy: record.addedBy },
    findings: findings.map(findingView),
  }
}
