import { randomBytes } from 'node:crypto'
import { createMasaClient } from '../../adapter/http/masa-client.ts'
import { listenTls } from '../../adapter/http/tls-endpoint.ts'
import { memoryKeyStore } from '../../adapter/key/memory.ts'
import type { ErrorCode } from '../../domain/error.ts'
import { openClone } from '../../role/device/dishonest.ts'
import { createEvilTwin } from '../../role/device/evil-twin.ts'
import { memoryDeviceStore } from '../../role/device/store.ts'
import { listManufacturers } from '../../role/supply-chain/trust.ts'
import { pledgeTransport } from '../pledge-transport.ts'
import { evilConfiguratorName, type LampRoles, openLamps } from './lamp.ts'
import type { Part } from './run.ts'
import { buildStage, type Maker, type Stage } from './stage.ts'

/** Who takes part, and on which stage. */
export interface Cast {
  readonly stage: Stage
  readonly parts: readonly Part[]
  /** Where the owner's network is, for devices with a cable and for lamps. */
  readonly homes: readonly string[]
  /** Networks that are not what they seem. */
  readonly twins: readonly Twin[]
  close(): Promise<void>
}

export interface Twin {
  readonly name: string
  readonly origin: string
  /** Who has to see through it, and why. */
  readonly expected: readonly { readonly device: string; readonly code: ErrorCode }[]
}

const unlisted = 'F26-000006'
const foreign = 'K26-000006'
const cloned = 'F26-000002'
const courted = 'F26-000001'
const lamps: LampRoles = { declared: 'L26-000001', mutual: 'L26-000002', plain: 'L26-000004', boxed: 'L26-000005' }

type StageOptions = Omit<Parameters<typeof buildStage>[0], 'units' | 'lamps' | 'unlisted' | 'foreign'>

/**
 * Twelve units of two makers that have a cable: ten bought by the owner, one that nobody expects here, and one that belongs to
 * a neighbour. Beside them a clone of the second unit, and a network that looks like the owner's and waits for the first
 * one. Then four lamps of a third maker, a counterfeit of a fifth one, and an evil twin with photographs of their codes.
 */
export async function assembleCast(options: StageOptions, tell: (step: string) => void): Promise<Cast> {
  const terms = { ...options, units: 6, lamps: 5, unlisted: [unlisted], foreign: [foreign] }
  const stage = await buildStage(terms, tell)
  const opened: { close(): Promise<void> }[] = [stage]
  const close = async () => {
    for (const each of opened.splice(0).reverse()) await each.close()
  }
  try {
    tell('evil twins')
    const twin = await openTwin(stage, options)
    opened.push(twin)
    const lumen = stage.makers.find(({ joins }) => joins === 'dpp')
    if (lumen === undefined) throw new RangeError('nobody makes lamps')
    const { home, evil, parts, ...lit } = await openLamps(stage, lumen, lamps, options.log)
    opened.push(lit)
    const wired = stage.makers
      .filter(({ joins }) => joins === 'brski')
      .flatMap(maker => [...maker.housings.keys()].map(serial => unitPart(stage, maker, serial, twin.origin)))
    return {
      stage,
      parts: [...wired, clonePart(stage), ...parts],
      homes: [stage.origin, home],
      twins: [
        { name: 'evil twin', origin: twin.origin, expected: [{ device: courted, code: 'voucher-invalid' }] },
        {
          name: evilConfiguratorName,
          origin: evil,
          expected: [
            { device: lamps.declared, code: 'declaration-missing' },
            { device: lamps.mutual, code: 'configurator-not-authentic' },
          ],
        },
      ],
      close,
    }
  } catch (error) {
    await close()
    throw error
  }
}

function unitPart(stage: Stage, maker: Maker, serial: string, twinOrigin: string): Part {
  const candidates = serial === courted ? [twinOrigin, stage.origin] : [stage.origin]
  return {
    name: serial,
    model: maker.model.name,
    expected: expectation(serial),
    ...(serial === unlisted ? { unexpected: true } : {}),
    ...(serial === courted ? { note: 'refused the evil twin first' } : {}),
    async *play(signal) {
      const pledge = await stage.pledge(serial)
      yield* pledge.onboard(candidates, signal)
    },
  }
}

function expectation(serial: string): Part['expected'] {
  if (serial === unlisted) return { outcome: 'refused', code: 'device-unexpected' }
  if (serial === foreign) return { outcome: 'refused', code: 'owner-mismatch' }
  return { outcome: 'onboarded' }
}

/** It has read a genuine birth certificate off the wire, and has no key that belongs to it. */
function clonePart(stage: Stage): Part {
  const maker = stage.makers[0]
  if (maker === undefined) throw new RangeError('a stage has makers')
  return {
    name: `clone of ${cloned}`,
    claim: `serialNumber=${cloned}`,
    unexpected: true,
    model: maker.model.name,
    expected: { outcome: 'refused', code: 'idevid-forged' },
    async *play(signal) {
      const stolen = (await stage.pledge(cloned)).birth
      const housing = { keys: memoryKeyStore(), store: memoryDeviceStore() }
      const clone = await openClone(stolen, { kind: 'stolen-certificate' }, stage.pledgeOptions(maker, housing))
      yield* clone.onboard([stage.origin], signal)
    },
  }
}

/** It has the right names, asks the MASA like an owner, and then tries a voucher of its own making. */
async function openTwin(stage: Stage, { log }: StageOptions) {
  const host = '127.0.0.1'
  const keys = memoryKeyStore()
  const { site } = stage
  const [manufacturer] = await listManufacturers(site.store)
  const masa = createMasaClient()
  const twin = await createEvilTwin({
    keys,
    clock: Date.now,
    random: randomBytes,
    imitates: site.authority.registrar.certificate,
    tricks: [{ kind: 'self-signed' }, { kind: 'garbage' }],
    ...(manufacturer === undefined ? {} : { masa: { client: masa, manufacturer } }),
    relay: { transport: pledgeTransport(keys), origin: stage.origin },
  })
  const key = await keys.tlsKey?.(twin.keyLabel)
  if (key === undefined) throw new RangeError('the evil twin has lost its key')
  const { certificateChain, endpoint } = twin
  const listener = await listenTls({ host, port: 0, key, certificateChain, endpoints: [endpoint], log })
  return {
    origin: `https://${host}:${listener.port}`,
    async close() {
      masa.close()
      await listener.close()
    },
  }
}
