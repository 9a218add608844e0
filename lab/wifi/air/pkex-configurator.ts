/**
 * Mooring's machines as a Configurator with a radio: PKEX version 1, which Debian's wpa_supplicant speaks on the air alone.
 * pkex-configurator.ts MONITOR MAC CODE SSID PASSPHRASE: says what happens, a line each, and ends after one device.
 */
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { Secret } from '../../../src/crypto/secret.ts'
import { ownBootstrapping, type PeerBootstrapping } from '../../../src/protocol/dpp/authentication.ts'
import { encodeConfigurationObject } from '../../../src/protocol/dpp/configuration-object.ts'
import * as configurator from '../../../src/protocol/dpp/configurator.ts'
import { signConnector } from '../../../src/protocol/dpp/connector.ts'
import { curveProfile } from '../../../src/protocol/dpp/curve.ts'
import { type DppFrame, decodeFrame, dppFrame } from '../../../src/protocol/dpp/frame.ts'
import { type DppPublicKey, exportSpki, generateDppKey, keyId } from '../../../src/protocol/dpp/key.ts'
import { isPkexCodeUsable, newPkexCode, pkexCodeSpent, pkexCodeTried } from '../../../src/protocol/dpp/pkex-code.ts'
import * as pkex from '../../../src/protocol/dpp/pkex-responder.ts'
import { keyHash } from '../../../src/protocol/dpp/uri.ts'

const [monitor = '', mac = '', code = '', ssid = '', passphrase = ''] = process.argv.slice(2)
const own = Buffer.from(mac.replaceAll(':', ''), 'hex')
const bootstrapping = generateDppKey('P-256')
const csign = generateDppKey('P-256')
const ppKey = generateDppKey('P-256')
const say = (text: string) => process.stdout.write(`${text}\n`)

const air = spawn('perl', [join(import.meta.dirname, 'bridge.pl'), monitor, mac], {
  stdio: ['pipe', 'pipe', 'inherit'],
})
let life = newPkexCode
let exchange = begin()
let session: configurator.State | undefined

function begin(): pkex.State {
  const options = { code: { code: new Secret(code) }, bootstrappingKey: bootstrapping, protocolVersion: 2, mac: own }
  return pkex.begin({ ...options, ephemeralKey: generateDppKey('P-256') })
}

function send(to: Uint8Array, message: Uint8Array): void {
  const length = Buffer.alloc(2)
  length.writeUInt16BE(6 + message.length)
  air.stdin.write(Buffer.concat([length, to, message]))
}

function received(from: Buffer, message: Buffer): void {
  const frame = decodeFrame(message)
  if (session !== undefined) take(from, configurator.step(session, { type: 'received', message }))
  else if (frame.kind !== 'dpp' || frame.type !== dppFrame.authenticationRequest)
    agree(from, pkex.step(exchange, { type: 'received', frame, mac: from }))
  else if (exchange.type === 'bootstrapped') take(from, authenticate(frame, exchange.peerKey))
}

function authenticate(frame: DppFrame, peerKey: DppPublicKey): configurator.Transition {
  const options = {
    own: ownBootstrapping(bootstrapping),
    protocolKey: generateDppKey('P-256'),
    nonce: randomBytes(curveProfile('P-256').nonceSize),
    version: 2,
    initiator: peerOf(peerKey),
  }
  return configurator.respond(options, frame)
}

function agree(from: Buffer, { state, effects }: pkex.Transition): void {
  const before = exchange.type
  exchange = state
  for (const effect of effects) {
    if (effect.type === 'send') send(from, effect.message)
    if (effect.type === 'count-try') life = pkexCodeTried(life)
    if (effect.type === 'spend-code') life = pkexCodeSpent(life)
  }
  if (state.type === before) return
  say(`PKEX ${state.type}`)
  // Somebody had another code: the next one may have the right one, five times at most.
  if (state.type === 'failed' && isPkexCodeUsable(life)) exchange = begin()
}

function peerOf(key: DppPublicKey): PeerBootstrapping {
  return { key, hash: keyHash({ publicKey: exportSpki(key) }) }
}

function take(from: Buffer, { state, effects }: configurator.Transition): void {
  session = state
  for (const effect of effects) {
    if (effect.type === 'send') send(from, effect.message)
    if (effect.type === 'authenticated') say(`AUTHENTICATED mutual=${effect.session.mutual ? 1 : 0}`)
    if (effect.type === 'configuration-requested') {
      const { netAccessKey, request } = effect
      say(`REQUESTED ${request.name}`)
      const fields = { groups: [{ groupId: '*', netRole: 'sta' }], netAccessKey }
      const signedConnector = signConnector(fields, { key: csign.privateKey, csign })
      const connector = { signedConnector, csign, kid: keyId(csign), ppKey }
      const cred = { akm: 'psk', pass: new Secret(passphrase), connector } as const
      const object = encodeConfigurationObject({ ssid: Buffer.from(ssid), cred, thirdParty: {} })
      take(from, configurator.step(state, { type: 'configuration-granted', objects: [object] }))
    }
    if (effect.type === 'configuration-resulted') say(`RESULT ${effect.status}`)
  }
  if (session.type === 'finished') air.stdin.end()
  if (session.type === 'failed') say(`FAILED ${session.reason}`)
}

let pending = Buffer.alloc(0)
air.stdout.on('data', (data: Buffer) => {
  pending = Buffer.concat([pending, data])
  while (pending.length >= 2 && pending.length >= 2 + pending.readUInt16BE(0)) {
    const record = pending.subarray(2, 2 + pending.readUInt16BE(0))
    pending = pending.subarray(2 + record.length)
    received(Buffer.from(record.subarray(0, 6)), Buffer.from(record.subarray(6)))
  }
})
air.once('spawn', () => say('READY'))
