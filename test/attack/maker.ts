import { randomBytes } from 'node:crypto'
import type { Certificate } from '../../src/codec/x509/certificate.ts'
import type { NameFields } from '../../src/codec/x509/name.ts'
import { generateKey } from '../../src/crypto/key.ts'
import { keySigner, type Signer } from '../../src/crypto/signer.ts'
import type { MasaClient } from '../../src/domain/port.ts'
import { openVoucherArtifact, signVoucherArtifact } from '../../src/protocol/brski/artifact.ts'
import type { Voucher } from '../../src/protocol/brski/voucher.ts'
import { type TrustDecision, trustManufacturer } from '../../src/role/supply-chain/trust.ts'
import { type Certified, certify, type Entity } from '../crypto/pki.ts'
import type { Neighbourhood, TestUnit } from '../role/onboarding/neighbourhood.ts'

/** A second manufacturer, free to make and to sign whatever it likes. */
export interface Maker {
  readonly name: string
  readonly root: Entity
  readonly voucherRoot: Entity
  readonly voucher: { readonly signer: Signer; readonly chain: readonly Certificate[] }
}

export async function openMaker(name: string, subject: string | NameFields = `${name} root`): Promise<Maker> {
  const root = await certify({ subject, ca: true })
  const voucherRoot = await certify({ subject: `${name} voucher root`, ca: true })
  const voucher = await certify({ subject: `${name} voucher signer`, issuer: voucherRoot })
  return { name, root, voucherRoot, voucher: { signer: voucher.signer, chain: [voucher.certificate] } }
}

export function trustMaker(
  home: Neighbourhood,
  maker: Maker,
  change: Partial<TrustDecision> = {},
): ReturnType<typeof trustManufacturer> {
  const decision = {
    name: maker.name,
    anchors: [maker.root.certificate.der],
    masaUrl: `https://masa.${maker.name}.example`,
    masaAnchors: [maker.voucherRoot.certificate.der],
    ...change,
  }
  return trustManufacturer({ store: home.site, clock: () => home.now.value }, decision, 'test')
}

/** A device of the maker. `serial` is what its requests say; the certificate says what `change.subject` says. */
export async function makeDevice(
  maker: Maker,
  serial: string,
  change: Partial<Certified> = {},
): Promise<TestUnit & { readonly entity: Entity }> {
  const signer = change.signer ?? keySigner(generateKey('P-256'))
  const entity = await certify({ subject: { serialNumber: serial }, issuer: maker.root, ...change, signer })
  return { serial, signer, chain: [entity.certificate.der], entity }
}

/** A MASA that signs all that it is asked for, and what `change` says instead. */
export function obligingMasa(
  home: Neighbourhood,
  by: { readonly signer: Signer; readonly chain: readonly Certificate[] },
  change: (request: Voucher) => Partial<Voucher> = () => ({}),
): MasaClient['requestVoucher'] {
  return async ({ body, contentType }) => {
    const { value, format } = openVoucherArtifact(body, { kind: 'request' })
    const honest: Voucher = {
      'serial-number': value['serial-number'],
      assertion: 'proximity',
      'created-on': new Date(home.now.value),
      'pinned-domain-cert': home.authority.issuing.certificate.der,
      nonce: value.nonce ?? randomBytes(16),
    }
    const voucher = await signVoucherArtifact({
      format,
      kind: 'voucher',
      value: { ...honest, ...change(honest) },
      signer: by.signer,
      certificates: by.chain,
    })
    return { status: 200, contentType, body: voucher }
  }
}
