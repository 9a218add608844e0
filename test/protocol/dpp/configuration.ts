import { sign } from 'node:crypto'
import { curveProfile, type DppCurve } from '../../../src/protocol/dpp/curve.ts'
import { type DppKeyPair, exportJwk, generateDppKey, keyId } from '../../../src/protocol/dpp/key.ts'

/** A tree of JSON that a test may bend before it is signed or sent. `undefined` takes a member away. */
export type Loose = { [member: string]: unknown }

export interface Party {
  readonly csign: DppKeyPair
  readonly net: DppKeyPair
}

export function party(csign: DppCurve = 'P-256', net: DppCurve = csign): Party {
  return { csign: generateDppKey(csign), net: generateDppKey(net) }
}

const url = (value: unknown) =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url')

export interface Bend {
  readonly header?: Loose | string
  readonly payload?: Loose | string
  readonly signature?: (raw: Buffer) => Buffer
}

/** A Connector as somebody else's program would make it: no code of ours but the keys. */
export function looseConnector({ csign, net }: Party, bend: Bend = {}): string {
  const { algorithm, hash } = curveProfile(csign.curve)
  const header = { typ: 'dppCon', kid: keyId(csign), alg: algorithm }
  const payload = { groups: [{ groupId: '*', netRole: 'sta' }], netAccessKey: exportJwk(net) }
  const bent = (own: Loose, bending: Loose | string = {}) =>
    url(typeof bending === 'string' ? bending : { ...own, ...bending })
  const input = `${bent(header, bend.header)}.${bent(payload, bend.payload)}`
  const raw = sign(hash, Buffer.from(input), { key: csign.privateKey, dsaEncoding: 'ieee-p1363' })
  return `${input}.${(bend.signature?.(raw) ?? raw).toString('base64url')}`
}

/** Members of a configuration object with a Connector. */
export function looseObject(
  who: Party,
  bend: { cred?: Loose; csign?: Loose; root?: Loose; connector?: Bend } = {},
): Loose {
  return {
    'wi-fi_tech': 'infra',
    discovery: { ssid: 'dpp-net' },
    cred: {
      akm: 'dpp',
      signedConnector: looseConnector(who, bend.connector),
      csign: { ...exportJwk(who.csign), kid: keyId(who.csign), ...bend.csign },
      ...bend.cred,
    },
    ...bend.root,
  }
}

export function legacyObject(cred: Loose): Loose {
  return { 'wi-fi_tech': 'infra', discovery: { ssid: 'home' }, cred }
}

export function bytesOf(json: unknown): Buffer {
  return Buffer.from(JSON.stringify(json))
}
