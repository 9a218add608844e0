/**
 * What one onboarding by Easy Connect costs the Configurator's protocol machine: authentication as it is asked (an Enrollee
 * that has scanned our code) or asks (after a chirp), a Configuration Request, a Connector signed, a Response, a Result. Both
 * parties run here, and only our steps are counted. The floor is a key pair, two key agreements and a signature on the
 * same curve, keys held, in turns with it.
 */
import { diffieHellman, generateKeyPairSync, randomBytes, sign } from 'node:crypto'
import { capability, type OwnBootstrapping, ownBootstrapping } from '../src/protocol/dpp/authentication.ts'
import * as initiator from '../src/protocol/dpp/authentication-initiator.ts'
import * as responder from '../src/protocol/dpp/authentication-responder.ts'
import { sealConfigurationRequest, sealConfigurationResult } from '../src/protocol/dpp/configuration-message.ts'
import { encodeConfigurationObject } from '../src/protocol/dpp/configuration-object.ts'
import { encodeConfigurationRequest } from '../src/protocol/dpp/configuration-request.ts'
import { initiate, respond, type State, step, type Transition } from '../src/protocol/dpp/configurator.ts'
import { signConnector } from '../src/protocol/dpp/connector.ts'
import { curveProfile, curves, type DppCurve } from '../src/protocol/dpp/curve.ts'
import { type DppFrame, decodeFrame, dppFrame, encodeFrame } from '../src/protocol/dpp/frame.ts'
import { type DppKeyPair, type DppPublicKey, generateDppKey, keyId } from '../src/protocol/dpp/key.ts'
import { type Line, line, median } from './measure.ts'

const bench = 'dpp'
const ssid = Buffer.from('mooring')
const wish = encodeConfigurationRequest({ name: 'lamp', netRole: 'sta', thirdParty: {} })

interface House {
  readonly own: OwnBootstrapping
  readonly csign: DppKeyPair
  readonly ppKey: DppKeyPair
}

/** Counts the CPU time of this thread within `work`, microseconds. */
class Meter {
  total = 0

  run<T>(work: () => T): T {
    const start = process.threadCpuUsage()
    const result = work()
    const { user, system } = process.threadCpuUsage(start)
    this.total += user + system
    return result
  }
}

type Way = 'asked' | 'asking'

export async function* dppMachineSuite(): AsyncGenerator<Line, void, void> {
  for (const { curve } of curves) {
    const ways: readonly (readonly [Way, boolean])[] =
      curve === 'P-256'
        ? [
            ['asked', false],
            ['asking', false],
            ['asked', true],
            ['asking', true],
          ]
        : [['asked', false]]
    const house = {
      own: ownBootstrapping(generateDppKey(curve)),
      csign: generateDppKey(curve),
      ppKey: generateDppKey(curve),
    }
    for (const [way, mutual] of ways) {
      const { value, floor } = compare(house, way, mutual, curve === 'P-256' ? 200 : 40)
      const metric = `machine, ${curve}, ${way === 'asked' ? 'asked' : 'asking after a chirp'}${mutual ? ', mutual' : ''}`
      yield line(bench, metric, { value, unit: 'us', floor, bar: { most: 4 } })
    }
  }
}

function compare(house: House, way: Way, mutual: boolean, perRound: number): { value: number; floor: number } {
  const floors: number[] = []
  const values: number[] = []
  const bare = floorOperations(house.own.pair.curve)
  for (let round = -2; round < 11; round++) {
    const [floor, value] = [new Meter(), new Meter()]
    for (let n = 0; n < perRound; n++) {
      floor.run(bare)
      onboard(house, way, mutual, value)
    }
    if (round < 0) continue
    floors.push(floor.total / perRound)
    values.push(value.total / perRound)
  }
  return { value: median(values), floor: median(floors) }
}

function floorOperations(curve: DppCurve): () => void {
  const { namedCurve, hash } = curveProfile(curve)
  const [ours, theirs] = [generateKeyPairSync('ec', { namedCurve }), generateKeyPairSync('ec', { namedCurve })]
  const pair = { privateKey: ours.privateKey, publicKey: theirs.publicKey }
  const message = randomBytes(500)
  return () => {
    generateKeyPairSync('ec', { namedCurve })
    diffieHellman(pair)
    diffieHellman(pair)
    sign(hash, message, ours.privateKey)
  }
}

/** Once, from the first octet to the Result. */
function onboard(house: House, way: Way, mutual: boolean, meter: Meter): void {
  const authenticated = way === 'asked' ? asked(house, mutual, meter) : asking(house, mutual, meter)
  const { session } = authenticated
  const enrolleeNonce = nonce(session.curve)
  const attributes = sealConfigurationRequest(session, { enrolleeNonce, request: wish })
  const request = encodeFrame({ kind: 'gas-initial-request', dialogToken: 0, attributes })
  const configured = meter.run(() => {
    const wanted = step(authenticated.state, { type: 'received', message: request })
    const [effect] = wanted.effects
    if (effect?.type !== 'configuration-requested') throw new Error(`no request but ${wanted.state.type}`)
    return step(wanted.state, { type: 'configuration-granted', objects: [configuration(house, effect.netAccessKey)] })
  })
  const result = sealConfigurationResult(session, { status: 0, enrolleeNonce })
  const message = encodeFrame({ kind: 'dpp', type: dppFrame.configurationResult, attributes: result })
  const { state } = meter.run(() => step(configured.state, { type: 'received', message }))
  if (state.type !== 'finished') throw new Error(`the onboarding ended as ${state.type}`)
}

function configuration({ csign, ppKey }: House, netAccessKey: DppPublicKey): Buffer {
  const groups = [{ groupId: '*', netRole: 'sta' }]
  const signedConnector = signConnector({ groups, netAccessKey, version: 2 }, { key: csign.privateKey, csign })
  const connector = { signedConnector, csign, kid: keyId(csign), ppKey }
  return encodeConfigurationObject({ ssid, cred: { akm: 'dpp', connector }, thirdParty: {} })
}

interface Outset {
  readonly state: State
  readonly session: Parameters<typeof sealConfigurationRequest>[0]
}

/** The Enrollee has scanned our code, and we hold its, when authentication is mutual. */
function asked({ own }: House, mutual: boolean, meter: Meter): Outset {
  const { curve } = own.pair
  const theirs = ownBootstrapping(generateDppKey(curve))
  const begun = initiator.begin({
    responder: { key: own.pair, hash: own.hash },
    own: theirs,
    protocolKey: generateDppKey(curve),
    nonce: nonce(curve),
    capabilities: capability.enrollee,
    version: 2,
  })
  const request = sent(begun)
  const answered = meter.run(() => {
    const known = mutual ? { initiator: { key: theirs.pair, hash: theirs.hash } } : {}
    const options = { own, protocolKey: generateDppKey(curve), nonce: nonce(curve), version: 3, ...known }
    return respond(options, frameOf(request))
  })
  const confirmed = initiator.step(begun.state, { type: 'received', frame: frameOf(sent(answered)) })
  const message = sent(confirmed)
  const { state } = meter.run(() => step(answered.state, { type: 'received', message }))
  if (confirmed.state.type !== 'authenticated') throw new Error('the Enrollee is not authenticated')
  return { state, session: confirmed.state.session }
}

/** We know the Enrollee by its code, and ask after a chirp. */
function asking({ own }: House, mutual: boolean, meter: Meter): Outset {
  const { curve } = own.pair
  const theirs = ownBootstrapping(generateDppKey(curve))
  const peer = { key: theirs.pair, hash: theirs.hash }
  const begun = meter.run(() =>
    initiate({ responder: peer, own, protocolKey: generateDppKey(curve), nonce: nonce(curve), version: 3 }),
  )
  const answered = responder.begin(
    {
      own: theirs,
      protocolKey: generateDppKey(curve),
      nonce: nonce(curve),
      capabilities: capability.enrollee,
      version: 2,
      ...(mutual && { initiator: { key: own.pair, hash: own.hash } }),
    },
    frameOf(sent(begun)).attributes,
  )
  const response = sent(answered)
  const confirmed = meter.run(() => step(begun.state, { type: 'received', message: response }))
  const done = responder.step(answered.state, { type: 'received', frame: frameOf(sent(confirmed)) })
  if (done.state.type !== 'authenticated') throw new Error('the Enrollee is not authenticated')
  return { state: confirmed.state, session: done.state.session }
}

function sent({ effects }: Transition | initiator.Transition | responder.Transition): Buffer {
  for (const effect of effects) if (effect.type === 'send') return effect.message
  throw new Error('nothing was sent')
}

function frameOf(message: Uint8Array): DppFrame {
  const frame = decodeFrame(message)
  if (frame.kind !== 'dpp') throw new Error(`a ${frame.kind}`)
  return frame
}

function nonce(curve: DppCurve): Buffer {
  return randomBytes(curveProfile(curve).nonceSize)
}
