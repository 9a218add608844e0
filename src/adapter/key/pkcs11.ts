import { createHash, createPublicKey, type KeyObject, randomBytes } from 'node:crypto'
import type { Template } from 'pkcs11js'
import { ecdsaRawToDer } from '../../crypto/ecdsa.ts'
import { type Curve, ecProfile, type KeyStore, type KeyUse, type Signer } from '../../crypto/signer.ts'
import { checkLabel, isLabel, KeyStoreError, labelTaken } from './error.ts'
import { type Lease, Pkcs11Token, type Pkcs11TokenOptions } from './pkcs11-token.ts'

/** CKA_EC_PARAMS: the curve's OBJECT IDENTIFIER in DER (RFC 5480 section 2.1.1.1). */
const curves: readonly { readonly name: Curve; readonly params: Buffer; readonly size: number }[] = [
  { name: 'P-256', params: Buffer.from('06082a8648ce3d030107', 'hex'), size: 32 },
  { name: 'P-384', params: Buffer.from('06052b81040022', 'hex'), size: 48 },
  { name: 'P-521', params: Buffer.from('06052b81040023', 'hex'), size: 66 },
]
const maxListed = 10_000
/** CKS_RW_USER_FUNCTIONS, which the binding does not name. */
const readWriteUserState = 3

type Handle = Lease['session']

interface Found {
  readonly privateKey: Handle
  readonly publicKey: KeyObject
}

/**
 * Keys that are made inside a token and never leave it. Needs the optional package pkcs11js. Throws KeyStoreError; a
 * token that was pulled and put back, or whose sessions ended, is opened again by the next operation.
 */
export async function openPkcs11KeyStore(options: Pkcs11TokenOptions): Promise<KeyStore & Disposable> {
  const token = await Pkcs11Token.open(options)
  return {
    kind: 'pkcs11',
    hardwareBacked: true,
    async generate(label, curve, use) {
      checkLabel(label)
      return token.use(async lease =>
        signerOf(token, label, await generate(lease, label, curve, use), lease.connection),
      )
    },
    async open(label) {
      checkLabel(label)
      return token.use(lease => {
        const found = findKey(lease, label)
        return found && signerOf(token, label, found, lease.connection)
      })
    },
    list: () => token.use(listLabels),
    async remove(label) {
      checkLabel(label)
      await token.use(lease => {
        for (const kind of [lease.constants.CKO_PRIVATE_KEY, lease.constants.CKO_PUBLIC_KEY]) {
          const template = ecKeys(lease, kind, { type: lease.constants.CKA_LABEL, value: label })
          for (const object of findObjects(lease, template)) lease.module.C_DestroyObject(lease.session, object)
        }
      })
    },
    [Symbol.dispose]: () => token.close(),
  }
}

function signerOf(token: Pkcs11Token, label: string, found: Found, connection: number): Signer {
  const { publicKey } = found
  const { algorithm, digest, size } = ecProfile(publicKey)
  let handle = { connection, privateKey: found.privateKey }
  return {
    algorithm,
    publicKey,
    spkiDer: publicKey.export({ type: 'spki', format: 'der' }),
    async sign(data) {
      // CKM_ECDSA takes the digest: the hashing stays out of the token, which may sit behind a slow bus.
      const hashed = createHash(digest).update(data).digest()
      const raw = await token.use(lease => {
        if (handle.connection !== lease.connection) {
          handle = { connection: lease.connection, privateKey: refind(lease, label, publicKey) }
        }
        lease.module.C_SignInit(lease.session, { mechanism: lease.constants.CKM_ECDSA }, handle.privateKey)
        return lease.module.C_SignAsync(lease.session, hashed, Buffer.alloc(2 * size))
      })
      return ecdsaRawToDer(raw)
    },
  }
}

function refind(lease: Lease, label: string, publicKey: KeyObject): Handle {
  const found = findKey(lease, label)
  if (found?.publicKey.equals(publicKey)) return found.privateKey
  throw new KeyStoreError(
    'token-failed',
    `the key ${label} is not in the token any more: restore the token that held it`,
  )
}

async function generate(lease: Lease, label: string, curve: Curve, use: KeyUse = 'sign'): Promise<Found> {
  const { constants: c, module, session } = lease
  if (findPrivate(lease, label).length > 0) throw labelTaken(label)
  const { params } = curves.find(({ name }) => name === curve)!
  const both: Template = [
    { type: c.CKA_TOKEN, value: true },
    { type: c.CKA_LABEL, value: label },
    { type: c.CKA_ID, value: randomBytes(16) },
  ]
  const pair = await module.C_GenerateKeyPairAsync(
    session,
    { mechanism: c.CKM_EC_KEY_PAIR_GEN },
    [
      ...both,
      { type: use === 'agree' ? c.CKA_DERIVE : c.CKA_VERIFY, value: true },
      { type: c.CKA_EC_PARAMS, value: params },
    ],
    [
      ...both,
      { type: c.CKA_PRIVATE, value: true },
      { type: c.CKA_SENSITIVE, value: true },
      { type: c.CKA_EXTRACTABLE, value: false },
      { type: use === 'agree' ? c.CKA_DERIVE : c.CKA_SIGN, value: true },
    ],
  )
  try {
    // PKCS#11 has no unique labels: when two processes generate at once, none of them keeps its key.
    if (findPrivate(lease, label).length > 1) throw labelTaken(label)
    return readKey(lease, label, pair.privateKey)
  } catch (error) {
    module.C_DestroyObject(session, pair.privateKey)
    module.C_DestroyObject(session, pair.publicKey)
    throw error
  }
}

function findKey(lease: Lease, label: string): Found | undefined {
  const found = findPrivate(lease, label)
  if (found.length > 1) {
    throw new KeyStoreError(
      'token-failed',
      `the token holds ${found.length} keys named ${label}: give each its own label`,
    )
  }
  return found[0] && readKey(lease, label, found[0])
}

function readKey(lease: Lease, label: string, privateKey: Handle): Found {
  const { constants: c, module, session } = lease
  const read = (object: Handle, ...types: number[]): Buffer[] =>
    module
      .C_GetAttributeValue(
        session,
        object,
        types.map(type => ({ type })),
      )
      .map(({ value }) => value)
  const [id, sensitive, extractable] = read(privateKey, c.CKA_ID, c.CKA_SENSITIVE, c.CKA_EXTRACTABLE)
  if (sensitive?.[0] !== 1 || extractable?.[0] !== 0) {
    throw new KeyStoreError(
      'key-extractable',
      `the key ${label} can be read out of the token: generate a new one inside it`,
    )
  }
  const publicKeys = findObjects(lease, ecKeys(lease, c.CKO_PUBLIC_KEY, { type: c.CKA_ID, value: id! }))
  if (publicKeys.length !== 1) {
    const message = `the token holds ${publicKeys.length} public keys for ${label}: write the one that belongs to it, with the same CKA_ID`
    throw new KeyStoreError('token-failed', message)
  }
  const [params, point] = read(publicKeys[0]!, c.CKA_EC_PARAMS, c.CKA_EC_POINT)
  return { privateKey, publicKey: decodePoint(label, params!, point!) }
}

function decodePoint(label: string, params: Buffer, value: Buffer): KeyObject {
  const curve = curves.find(candidate => candidate.params.equals(params))
  if (curve === undefined) {
    throw new KeyStoreError('token-failed', `the key ${label} is not on P-256, P-384 or P-521: generate another one`)
  }
  const { name, size } = curve
  // PKCS#11 2.20 wants the point inside an OCTET STRING; some tokens give it bare.
  const point = value.subarray(-(1 + 2 * size))
  if (point.length !== 1 + 2 * size || point[0] !== 0x04) {
    throw new KeyStoreError(
      'token-failed',
      `the token gives no uncompressed point for ${label}: see its vendor's manual`,
    )
  }
  const x = point.subarray(1, 1 + size).toString('base64url')
  const y = point.subarray(1 + size).toString('base64url')
  return createPublicKey({ key: { kty: 'EC', crv: name, x, y }, format: 'jwk' })
}

function ecKeys(lease: Lease, kind: number, by?: Template[number]): Template {
  const { CKA_CLASS, CKA_KEY_TYPE, CKK_EC } = lease.constants
  return [{ type: CKA_CLASS, value: kind }, { type: CKA_KEY_TYPE, value: CKK_EC }, ...(by === undefined ? [] : [by])]
}

function findPrivate(lease: Lease, label: string): Handle[] {
  const { CKO_PRIVATE_KEY, CKA_LABEL } = lease.constants
  return findObjects(lease, ecKeys(lease, CKO_PRIVATE_KEY, { type: CKA_LABEL, value: label }))
}

function findObjects({ module, session }: Lease, template: Template): Handle[] {
  // Logged out, a token shows no private keys and calls it success: a key would seem to be gone.
  if (module.C_GetSessionInfo(session).state !== readWriteUserState) throw new Error('CKR_USER_NOT_LOGGED_IN')
  module.C_FindObjectsInit(session, template)
  const found: Handle[] = []
  while (found.length < maxListed) {
    const batch = module.C_FindObjects(session, 100)
    if (batch.length === 0) break
    found.push(...batch)
  }
  module.C_FindObjectsFinal(session)
  return found
}

function listLabels(lease: Lease): string[] {
  const { constants: c, module, session } = lease
  const labels = findObjects(lease, ecKeys(lease, c.CKO_PRIVATE_KEY)).map(object =>
    module.C_GetAttributeValue(session, object, [{ type: c.CKA_LABEL }])[0]!.value.toString('utf8'),
  )
  // What other software keeps in the token under names that we could not open is not ours to list.
  return labels.filter(isLabel).sort()
}
