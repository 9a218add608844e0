import {
  type ComponentList,
  type ComponentVerdict,
  decodeComponents,
  encodeComponents,
} from '../../domain/component.ts'
import { OnboardingError } from '../../domain/error.ts'
import type { Clock } from '../../domain/port.ts'
import { isServerOfDomain } from '../../protocol/brski/pledge-network.ts'
import { componentPath } from '../supply-chain/component-report.ts'
import { readMemory } from './memory.ts'
import type { DeviceModel } from './model.ts'
import type { DeviceStore, PledgeTransport } from './port.ts'

/**
 * Name in the device store of what stands in for the parts of a simulated device. On real hardware they are measured, not
 * written down.
 */
export const componentName = 'components'

export async function installComponents(store: DeviceStore, components: ComponentList): Promise<void> {
  await store.write(componentName, encodeComponents(components))
}

/**
 * A device that is in the network states what it is made of, to the network that enrolled it and to no other.
 * @returns what the network thinks of it; undefined when the device has no list of its parts
 * Throws OnboardingError `credential-required`, `registrar-unreachable`, `network-not-authorized`, or CodecError.
 */
export async function stateComponents(device: {
  readonly store: DeviceStore
  readonly keys: Parameters<typeof readMemory>[0]['keys']
  readonly log: Parameters<typeof readMemory>[0]['log']
  readonly transport: PledgeTransport
  readonly model: DeviceModel
  readonly clock: Clock
}): Promise<ComponentVerdict | undefined> {
  const { store, transport, model, clock } = device
  const bytes = await store.read(componentName)
  if (bytes === undefined) return undefined
  const components = decodeComponents(bytes)
  const credential = (await readMemory(device))?.credential
  if (credential === undefined) throw new OnboardingError('credential-required')
  const { origin, keyLabel, certificate, chain } = credential
  const unreachable = (cause: unknown) => new OnboardingError('registrar-unreachable', { registrar: origin }, { cause })
  const connection = await transport
    .connect({ origin, certificates: [certificate, ...chain], keyLabel, timeoutMs: model.connectTimeoutMs })
    .catch(cause => {
      throw unreachable(cause)
    })
  try {
    const context = { at: clock(), clockTrusted: model.clockTrusted }
    if (!isServerOfDomain(credential, connection.serverCertificates, context)) {
      throw new OnboardingError('network-not-authorized', { registrar: origin })
    }
    const reply = await connection
      .request(
        {
          method: 'POST',
          path: componentPath,
          headers: { 'content-type': 'application/json' },
          body: encodeComponents(components),
        },
        { timeoutMs: model.requestTimeoutMs, maxBytes: 0x1000 },
      )
      .catch(cause => {
        throw unreachable(cause)
      })
    return verdictIn(reply.status, reply.body)
  } finally {
    connection.close()
  }
}

const verdicts: readonly ComponentVerdict[] = ['match', 'differ', 'changed', 'no-reference']

function verdictIn(status: number, body: Uint8Array): ComponentVerdict {
  const text = Buffer.from(body).toString('utf8')
  const verdict = verdicts.find(each => text.includes(`"verdict":"${each}"`))
  if (status === 200 && verdict !== undefined) return verdict
  throw new OnboardingError('registrar-unreachable', { status, reason: text.slice(0, 100) })
}
