import { spawn } from 'node:child_process'
import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { encodePem } from '../../../src/codec/pem.ts'
import { signatureAlgorithms } from '../../../src/codec/x509/algorithm.ts'
import { extendedKeyUsageOid, extensionKinds, makeExtension } from '../../../src/codec/x509/extension.ts'
import { generateKey } from '../../../src/crypto/key.ts'
import { type Curve, keySigner } from '../../../src/crypto/signer.ts'
import { certify, type Entity, eku, type TestSigner } from '../../crypto/pki.ts'

export type KeyKind = Curve | 'RSA-2048'

export interface Holder extends Entity {
  readonly key: KeyObject
  readonly pem: { readonly certificate: string; readonly key: string }
}

export const serverName = 'access.example.net'

function keyOf(kind: KeyKind): { readonly key: KeyObject; readonly signer: TestSigner } {
  if (kind !== 'RSA-2048') {
    const key = generateKey(kind)
    return { key, signer: keySigner(key) }
  }
  const { privateKey: key, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const { identifier } = signatureAlgorithms.find(each => each.key === 'rsa' && each.hash === 'sha256')!
  const spkiDer = publicKey.export({ type: 'spki', format: 'der' })
  return {
    key,
    signer: { algorithm: 'ES256', identifier, publicKey, spkiDer, sign: async data => sign('sha256', data, key) },
  }
}

async function holder(terms: Parameters<typeof certify>[0], kind: KeyKind): Promise<Holder> {
  const { key, signer } = keyOf(kind)
  const entity = await certify({ ...terms, signer })
  const certificate = encodePem('CERTIFICATE', entity.certificate.der)
  return { ...entity, key, pem: { certificate, key: key.export({ type: 'pkcs8', format: 'pem' }).toString() } }
}

/** A CA, a server and devices, for a supplicant that we did not write. */
export async function access(kind: KeyKind = 'P-256') {
  const ca = await holder({ subject: 'Access test CA', ca: true }, kind)
  const names = makeExtension(extensionKinds.subjectAltName, [{ type: 'dNSName', value: serverName }])
  const server = await holder(
    { subject: serverName, issuer: ca, extensions: [eku(extendedKeyUsageOid.serverAuth), names] },
    kind,
  )
  const device = (subject: string, more: Partial<Parameters<typeof certify>[0]> = {}) =>
    holder({ subject, issuer: ca, extensions: [eku(extendedKeyUsageOid.clientAuth)], ...more }, kind)
  return { ca, server, device }
}

export interface Authentication {
  readonly port: number
  readonly secret: string
  /** PEM. */
  readonly device: { readonly pem: { readonly certificate: string; readonly key: string } }
  readonly ca: { readonly pem: { readonly certificate: string } }
  readonly serverName?: string
  readonly version: 'TLSv1.2' | 'TLSv1.3'
  /** Further authentications by the same supplicant. */
  readonly again?: number
  /** Octets of TLS in one of its EAP packets. */
  readonly fragment?: number
  /** Seconds until it gives up. */
  readonly timeout?: number
  readonly mac?: string
  readonly identity?: string
  readonly more?: readonly string[]
}

export interface Authenticated {
  readonly success: boolean
  /** Both sides derived the same keys: once for each success. */
  readonly keysAgreed: number
  readonly output: string
}

/** One run of eapol_test. */
export async function authenticate(request: Authentication): Promise<Authenticated> {
  const folder = mkdtempSync(join(tmpdir(), 'eapol-'))
  const file = (name: string, text: string) => {
    const path = join(folder, name)
    writeFileSync(path, text, { mode: 0o600 })
    return path
  }
  const { version, device, ca, fragment } = request
  const phase1 = `tls_disable_tlsv1_3=${version === 'TLSv1.3' ? 0 : 1}`
  const lines = [
    'network={',
    'key_mgmt=IEEE8021X',
    'eap=TLS',
    `identity="${request.identity ?? 'device@example.net'}"`,
    `ca_cert="${file('ca.pem', ca.pem.certificate)}"`,
    `client_cert="${file('device.pem', device.pem.certificate)}"`,
    `private_key="${file('device.key', device.pem.key)}"`,
    `domain_suffix_match="${request.serverName ?? serverName}"`,
    `phase1="${phase1}"`,
    ...(fragment === undefined ? [] : [`fragment_size=${fragment}`]),
    '}',
  ]
  const options = ['-c', file('network.conf', lines.join('\n')), '-a', '127.0.0.1', '-p', String(request.port)]
  options.push(
    '-s',
    request.secret,
    '-M',
    request.mac ?? '02:00:00:00:00:11',
    '-t',
    String((request.again ?? 0) === 0 ? 8 : 60),
    `-r${request.again ?? 0}`,
  )
  options.push('-N', '32:s:gw1', '-N', '87:s:port3', ...(request.more ?? []))
  try {
    const output = await new Promise<string>(resolve => {
      const child = spawn('eapol_test', options, { stdio: ['ignore', 'pipe', 'pipe'] })
      const chunks: Buffer[] = []
      child.stdout.on('data', chunk => chunks.push(chunk))
      child.stderr.on('data', chunk => chunks.push(chunk))
      child.on('close', () => resolve(Buffer.concat(chunks).toString('latin1')))
    })
    const lines = output.trimEnd().split('\n')
    const agreed = /MPPE keys OK: (\d+)\s+mismatch: (\d+)/.exec(output)
    return {
      success: lines.at(-1) === 'SUCCESS',
      keysAgreed: agreed?.[2] === '0' ? Number(agreed[1]) : 0,
      output,
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
