import { constants, type KeyObject, X509Certificate } from 'node:crypto'
import type { DetailedPeerCertificate, SecureContextOptions, TLSSocket } from 'node:tls'
import { Reader } from '../../codec/der/reader.ts'
import { CodecError } from '../../codec/error.ts'
import { encodePem } from '../../codec/pem.ts'

/** Key and certificates that prove who we are in TLS. The key leaves this process for nobody; OpenSSL needs it as PEM. */
export interface TlsCredential {
  /** A private KeyObject, or PKCS#8 or SEC1 in PEM. */
  readonly key: KeyObject | string
  /** DER, end entity first; without the root. */
  readonly certificateChain: readonly Uint8Array[]
}

/** SP 800-52r2 section 3.3.1: forward secrecy and AES-GCM only. */
const ciphers = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES256-GCM-SHA384',
].join(':')

/** FIPS 186-5, with SHA-2 only. */
const sigalgs = [
  'ecdsa_secp256r1_sha256',
  'ecdsa_secp384r1_sha384',
  'ecdsa_secp521r1_sha512',
  'ed25519',
  'rsa_pss_rsae_sha256',
  'rsa_pss_rsae_sha384',
  'rsa_pss_rsae_sha512',
  'rsa_pss_pss_sha256',
  'rsa_pkcs1_sha256',
  'rsa_pkcs1_sha384',
  'rsa_pkcs1_sha512',
].join(':')

/**
 * No trust anchor is given to OpenSSL (`ca: []`; leaving `ca` out would give it Mozilla's), for two reasons: every path is
 * validated by src/crypto/path.ts, and Node loses the peer's intermediates once OpenSSL has verified them
 * (nodejs/node#65579). So `authorized` is always false and says nothing.
 *
 * No session is resumed: a ticket holds the peer's end-entity certificate only, tls-unique would change its meaning (RFC
 * 5929 section 3), and a fresh handshake is proof of possession now. No renegotiation: it could change who is there.
 */
export function secureContextOptions(credential?: TlsCredential): SecureContextOptions {
  return {
    ca: [],
    ciphers,
    sigalgs,
    // SP 800-186. P-256 first: our own clients send no key share but this one.
    ecdhCurve: 'P-256:P-384',
    minVersion: 'TLSv1.2',
    honorCipherOrder: true,
    secureOptions: constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_RENEGOTIATION | constants.SSL_OP_NO_COMPRESSION,
    ...(credential === undefined ? {} : { key: keyPem(credential.key), cert: chainPem(credential.certificateChain) }),
  }
}

/**
 * OpenSSL verifies the peer's chain although nobody asked it to. A signature there that does not verify leaves an error
 * behind, which Node takes for a failure of the connection at its next read: a forger would be cut off without a word, and
 * nothing would be on record. Any question to a certificate erases it (0.7 us), within the event that ends the handshake.
 */
export function errorEraser(der: Uint8Array): () => void {
  const certificate = new X509Certificate(der)
  return () => void certificate.checkIssued(certificate)
}

function keyPem(key: KeyObject | string): string {
  return typeof key === 'string' ? key : key.export({ type: 'pkcs8', format: 'pem' }).toString()
}

function chainPem(chain: readonly Uint8Array[]): string {
  return chain.map(der => encodePem('CERTIFICATE', der)).join('')
}

/** As many as src/crypto/path.ts takes. */
const maxChain = 10

/**
 * What the peer sent, DER, end entity first and each followed by its issuer; a certificate that issued none of those
 * before it is left out by Node. Empty when the peer sent none, or when the connection is gone.
 *
 * 0.12 ms for three certificates, as Node renders every field of each. getPeerX509Certificate() is three times as fast, but
 * takes the chain out of OpenSSL's hands: a second call does not see it, and its memory is lost (6 KiB a certificate).
 */
export function peerChain(socket: TLSSocket): readonly Uint8Array[] {
  const chain: Buffer[] = []
  // Node answers an empty object where there is no certificate; the types do not say so.
  let certificate: Partial<DetailedPeerCertificate> | undefined = socket.getPeerCertificate(true)
  while (certificate?.raw !== undefined && chain.length < maxChain) {
    chain.push(certificate.raw)
    const { issuerCertificate }: Partial<DetailedPeerCertificate> = certificate
    certificate = issuerCertificate === certificate ? undefined : issuerCertificate
  }
  return chain
}

/**
 * The peer's end-entity certificate alone, from OpenSSL's form of a session (SSL_SESSION_ASN1, where it is `[3]`): 0.005 ms
 * against 0.04 for getPeerCertificate().
 */
export function peerCertificate(socket: TLSSocket): Uint8Array | undefined {
  const session = socket.getSession()
  if (session === undefined) return undefined
  try {
    const reader = new Reader(session)
    reader.enter(0x30)
    while (reader.more) {
      if (reader.peek() === 0xa3) return Buffer.from(reader.content(0xa3))
      reader.element()
    }
    return undefined
  } catch (error) {
    if (!(error instanceof CodecError)) throw error
    return peerChain(socket)[0]
  } finally {
    // The master secret of TLS 1.2 is in it.
    session.fill(0)
  }
}

const noContext = Buffer.alloc(0)

/** What binds a request to this connection, as the server sees it. */
export function serverChannelBinding(socket: TLSSocket): Uint8Array | undefined {
  return exporterBinding(socket) ?? socket.getPeerFinished()
}

/** The same, as the client sees it. */
export function clientChannelBinding(socket: TLSSocket): Uint8Array | undefined {
  return exporterBinding(socket) ?? socket.getFinished()
}

/** RFC 9266 on TLS 1.3; on TLS 1.2 it is tls-unique (RFC 5929 section 3), the client's Finished as no session is resumed. */
function exporterBinding(socket: TLSSocket): Buffer | undefined {
  if (socket.getProtocol() !== 'TLSv1.3') return undefined
  return socket.exportKeyingMaterial(32, 'EXPORTER-Channel-Binding', noContext)
}
