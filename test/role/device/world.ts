import { memoryKeyStore } from '../../../src/adapter/key/memory.ts'
import { type Certificate, decodeCertificate } from '../../../src/codec/x509/certificate.ts'
import {
  type Extension,
  extendedKeyUsageOid,
  extensionKinds,
  makeExtension,
} from '../../../src/codec/x509/extension.ts'
import { encodeName } from '../../../src/codec/x509/name.ts'
import { caExtensions, type Issuer, issueCertificate } from '../../../src/crypto/issue.ts'
import { generateKey } from '../../../src/crypto/key.ts'
import { type Curve, keySigner, type Signer } from '../../../src/crypto/signer.ts'
import type { DeviceModel } from '../../../src/role/device/model.ts'
import { memoryDeviceStore } from '../../../src/role/device/store.ts'
import { simulatedUnit } from '../../../src/role/device/unit.ts'

/** 2026-11-20T12:00:00Z; tests move on from here. */
export const start = Date.UTC(2026, 10, 20, 12)
export const day = 86_400_000

const from = new Date(start - 30 * day)
const until = new Date(start + 3650 * day)

export async function authority(name: string, parent?: Issuer, curve: Curve = 'P-256'): Promise<Issuer> {
  const signer = keySigner(generateKey(curve))
  const der = await issueCertificate({
    subject: encodeName({ commonName: name }),
    spkiDer: signer.spkiDer,
    issuer: parent ?? { certificate: 'self', signer },
    notBefore: from,
    notAfter: until,
    extensions: caExtensions(),
  })
  return { certificate: decodeCertificate(der), signer }
}

export interface EndEntity {
  readonly certificate: Certificate
  readonly signer: Signer
}

export async function endEntity(
  name: string,
  issuer: Issuer,
  extensions: readonly Extension[] = [],
  validity = { notBefore: from, notAfter: until },
): Promise<EndEntity> {
  const signer = keySigner(generateKey('P-256'))
  const subject = encodeName({ commonName: name })
  const der = await issueCertificate({ subject, spkiDer: signer.spkiDer, issuer, ...validity, extensions })
  return { certificate: decodeCertificate(der), signer }
}

export const registrarUsage = makeExtension(extensionKinds.extendedKeyUsage, [
  extendedKeyUsageOid.cmcRA,
  extendedKeyUsageOid.serverAuth,
])

/** A maker with two hierarchies: births and vouchers. */
export interface Maker {
  readonly births: Issuer
  readonly birthRoot: Certificate
  readonly voucherRoot: Certificate
  readonly voucherSigner: EndEntity
}

export async function maker(name: string): Promise<Maker> {
  const birthRoot = await authority(`${name} birth root`)
  const births = await authority(`${name} birth issuing`, birthRoot)
  const voucherRoot = await authority(`${name} voucher root`)
  const voucherSigner = await endEntity(`${name} MASA`, voucherRoot)
  return { births, birthRoot: birthRoot.certificate, voucherRoot: voucherRoot.certificate, voucherSigner }
}

/** A network owner: root, issuing CA, registrar. */
export interface Domain {
  readonly root: Issuer
  readonly issuing: Issuer
  readonly registrar: EndEntity
}

export async function domain(name: string): Promise<Domain> {
  const root = await authority(`${name} root`)
  const issuing = await authority(`${name} issuing`, root)
  const registrar = await endEntity(`${name} registrar`, issuing, [registrarUsage])
  return { root, issuing, registrar }
}

/** A device fresh from the line, made the way the line makes it. */
export async function makeDevice(made: Maker, model: DeviceModel, serial: string) {
  const keys = memoryKeyStore()
  const store = memoryDeviceStore()
  const port = simulatedUnit(model, async () => ({ keys, store }))
  await port.csr(serial, model.name)
  const signer = await keys.open('idevid')
  if (signer === undefined) throw new TypeError('no birth key')
  const idevid = await issueCertificate({
    subject: encodeName({ organizationName: model.manufacturer, commonName: model.name, serialNumber: serial }),
    spkiDer: signer.spkiDer,
    issuer: made.births,
    notBefore: from,
    notAfter: new Date('9999-12-31T23:59:59Z'),
    extensions: [makeExtension(extensionKinds.keyUsage, ['digitalSignature'])],
  })
  await port.install(serial, idevid, [made.births.certificate.der], [made.voucherRoot.der])
  return { keys, store, idevid: decodeCertificate(idevid), serial, model }
}

export type Made = Awaited<ReturnType<typeof makeDevice>>
