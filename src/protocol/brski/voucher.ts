import {
  agentSignCertificate,
  assertion,
  binary,
  boolean,
  certificate,
  count,
  date,
  type Leaf,
  type LeafType,
  nonce,
  publicKey,
  text,
  texts,
} from './leaf.ts'

/**
 * Which text rules. RFC 8366 (with RFC 8995 for requests) knows no SIDs and demands created-on, assertion and
 * pinned-domain-cert of a voucher; draft-ietf-anima-rfc8366bis adds leaves and demands only the serial number.
 */
export type VoucherVersion = 'rfc8366' | 'rfc8366bis'

export type ArtifactKind = 'request' | 'voucher'

export type { Assertion } from './leaf.ts'

type Leaves = Readonly<Record<string, Leaf<unknown>>>
type ValueOf<L> = L extends Leaf<infer T> ? T : never

/** A YANG structure: one root member that holds leaves. */
export interface Structure<L extends Leaves = Leaves> {
  readonly kind: ArtifactKind
  /** Member name of the JSON root (RFC 7951). */
  readonly root: string
  /** SID of the CBOR root (RFC 9254, RFC 9595); leaves carry the difference to it. */
  readonly sid: number
  readonly leaves: L
  readonly mandatory: Readonly<Record<VoucherVersion, readonly string[]>>
}

type Values<L extends Leaves> = {
  readonly [K in keyof L as L[K] extends { ignored: true } ? never : K]?: ValueOf<L[K]>
}

function leaf<T>(delta: number, type: LeafType<T>): Leaf<T> & { readonly ignored: false } {
  return { delta, type, since: 'rfc8366', ignored: false }
}

function bisLeaf<T>(delta: number, type: LeafType<T>): Leaf<T> & { readonly ignored: false } {
  return { delta, type, since: 'rfc8366bis', ignored: false }
}

/** An augmentation of ours; readers that do not know it pass over it (RFC 8995 section 5.6.1). */
function ownLeaf<T>(type: LeafType<T>): Leaf<T> & { readonly ignored: false } {
  return { delta: null, type, since: 'rfc8366', ignored: false }
}

/** Valid in the other structure only; RFC 8366bis: any occurrence in a request MUST be ignored. */
function ignoredLeaf<T>(delta: number, type: LeafType<T>): Leaf<T> & { readonly ignored: true } {
  return { delta, type, since: 'rfc8366', ignored: true }
}

/** ietf-voucher-request:voucher. RFC 8995 section 3, RFC 8366bis section 7. */
export const VoucherRequest = {
  kind: 'request',
  root: 'ietf-voucher-request:voucher',
  sid: 2501,
  mandatory: { rfc8366: ['serial-number'], rfc8366bis: ['serial-number'] },
  leaves: {
    assertion: leaf(1, assertion),
    'created-on': leaf(2, date),
    'domain-cert-revocation-checks': ignoredLeaf(3, boolean),
    'expires-on': ignoredLeaf(4, date),
    'idevid-issuer': leaf(5, binary),
    'last-renewal-date': ignoredLeaf(6, date),
    nonce: leaf(7, nonce),
    'pinned-domain-cert': ignoredLeaf(8, certificate),
    'prior-signed-voucher-request': leaf(9, binary),
    'proximity-registrar-cert': leaf(10, certificate),
    'proximity-registrar-pubk-sha256': bisLeaf(11, binary),
    'proximity-registrar-pubk': bisLeaf(12, publicKey),
    'serial-number': leaf(13, text),
    'agent-provided-proximity-registrar-cert': bisLeaf(14, certificate),
    'agent-sign-cert': bisLeaf(15, agentSignCertificate),
    'agent-signed-data': bisLeaf(16, binary),
    'pinned-domain-pubk': ignoredLeaf(17, publicKey),
    'pinned-domain-pubk-sha256': ignoredLeaf(18, binary),
    'additional-configuration-url': ignoredLeaf(19, text),
    'est-domain': ignoredLeaf(20, text),
    extensions: bisLeaf(21, texts),
    'manufacturer-proprietary': bisLeaf(22, binary),
  },
} as const satisfies Structure

/** ietf-voucher:voucher. RFC 8366 section 5.3, RFC 8366bis section 6. */
export const Voucher = {
  kind: 'voucher',
  root: 'ietf-voucher:voucher',
  sid: 2451,
  mandatory: {
    rfc8366: ['created-on', 'assertion', 'serial-number', 'pinned-domain-cert'],
    rfc8366bis: ['serial-number'],
  },
  leaves: {
    assertion: leaf(1, assertion),
    'created-on': leaf(2, date),
    'domain-cert-revocation-checks': leaf(3, boolean),
    'expires-on': leaf(4, date),
    'idevid-issuer': leaf(5, binary),
    'last-renewal-date': leaf(6, date),
    nonce: leaf(7, nonce),
    'pinned-domain-cert': leaf(8, certificate),
    'pinned-domain-pubk': bisLeaf(9, publicKey),
    'pinned-domain-pubk-sha256': bisLeaf(10, binary),
    'serial-number': leaf(11, text),
    'additional-configuration-url': bisLeaf(12, text),
    'est-domain': bisLeaf(13, text),
    'manufacturer-proprietary': bisLeaf(14, binary),
    extensions: bisLeaf(15, texts),
    /** Version of the device information declaration by which the voucher was given: a device takes no older one. */
    'mooring-ownership:declaration-version': ownLeaf(count),
  },
} as const satisfies Structure

/** Binary leaves are bytes (certificates in DER), dates are Date. Leaves that a request must not carry are not here. */
export type VoucherRequest = Values<(typeof VoucherRequest)['leaves']> & { readonly 'serial-number': string }

/** As `VoucherRequest`. With version rfc8366, created-on, assertion and pinned-domain-cert are present. */
export type Voucher = Values<(typeof Voucher)['leaves']> & { readonly 'serial-number': string }

export interface ArtifactValue {
  readonly request: VoucherRequest
  readonly voucher: Voucher
}

export const structures = { request: VoucherRequest, voucher: Voucher } as const
