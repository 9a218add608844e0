import assert from 'node:assert/strict'
import { before, describe, test } from 'node:test'
import { extendedKeyUsageOid } from '../../../src/codec/x509/extension.ts'
import { signJws } from '../../../src/crypto/jws.ts'
import { documentSigning, signDeclaration } from '../../../src/domain/declaration-jws.ts'
import { OnboardingError } from '../../../src/domain/error.ts'
import { domainIds, grantOnboarder, newDeclaration, transferOwnership } from '../../../src/domain/ownership.ts'
import { generateDppKey } from '../../../src/protocol/dpp/key.ts'
import {
  declarationMember,
  decodeOwnershipProof,
  encodeOwnershipProof,
  networkStatementType,
  signNetworkStatement,
  verifyOwnershipProof,
} from '../../../src/protocol/dpp/network-statement.ts'
import { refused } from '../../codec/refused.ts'
import { certify, type Entity, eku, now } from '../../crypto/pki.ts'

const csign = generateDppKey('P-384')
const party = (id: string, root: Entity) => ({ id, name: `House of ${id}`, domains: [domainIds(root.certificate)[1]] })

interface House {
  readonly root: Entity
  readonly registrar: Entity
  readonly device: Entity
}

async function house(name: string): Promise<House> {
  const root = await certify({ subject: `${name} CA`, ca: true })
  const registrar = await certify({
    subject: `${name} registrar`,
    issuer: root,
    extensions: [eku(extendedKeyUsageOid.cmcRA)],
  })
  const device = await certify({
    subject: `${name} lamp`,
    issuer: root,
    extensions: [eku(extendedKeyUsageOid.clientAuth)],
  })
  return { root, registrar, device }
}

function statement({ root, registrar }: House, by = registrar): Promise<Buffer> {
  return signNetworkStatement(csign, { signer: by.signer, chain: [by.certificate, root.certificate] })
}

function refusedAs(code: string, call: () => unknown): void {
  assert.throws(call, error => error instanceof OnboardingError && error.code === code)
}

describe('whose the Configurator is', () => {
  let maker: Entity
  let signer: Entity
  let alice: House
  let eve: House
  before(async () => {
    maker = await certify({ subject: 'Maker root', ca: true })
    signer = await certify({ subject: 'Maker documents', issuer: maker, extensions: [eku(documentSigning)] })
    alice = await house('Alice')
    eve = await house('Eve')
  })
  const at = now.getTime()
  const declared = (serial = 'L-1') => {
    const first = newDeclaration({ manufacturer: 'Maker', serial, model: 'lamp', owner: party('maker', maker), at })
    const by = { by: party('maker', maker).domains, version: 1, at }
    return transferOwnership(first, by, { owner: party('alice', alice.root) })
  }
  const signed = (declaration = declared()) =>
    signDeclaration(declaration, { signer: signer.signer, chain: [signer.certificate] })
  const context = () => ({
    anchors: [{ name: 'Maker', certificate: maker.certificate }],
    serialNumber: 'L-1',
    csign,
    at: now,
  })

  test('the owner, and whom the owner authorized', async () => {
    const proof = { declaration: await signed(), network: await statement(alice) }
    assert.equal(verifyOwnershipProof(proof, context()).owner.id, 'alice')
    const by = { by: party('alice', alice.root).domains, version: 2, at }
    const shared = grantOnboarder(declared(), by, party('eve', eve.root))
    const other = { declaration: await signed(shared), network: await statement(eve) }
    assert.equal(verifyOwnershipProof(other, context()).version, 3)
  })
  test('without a clock', async () => {
    const { at: _, ...clockless } = context()
    assert.ok(verifyOwnershipProof({ declaration: await signed(), network: await statement(alice) }, clockless))
  })
  test('an evil twin with a copy of the declaration and a network of its own', async () => {
    const proof = { declaration: await signed(), network: await statement(eve) }
    refusedAs('owner-mismatch', () => verifyOwnershipProof(proof, context()))
  })
  test('an evil twin with copies of declaration and statement, and another C-sign key', async () => {
    const proof = { declaration: await signed(), network: await statement(alice) }
    refusedAs('declaration-invalid', () =>
      verifyOwnershipProof(proof, { ...context(), csign: generateDppKey('P-384') }),
    )
  })
  test('a device of the owner speaks for nobody', async () => {
    const proof = { declaration: await signed(), network: await statement(alice, alice.device) }
    refusedAs('owner-mismatch', () => verifyOwnershipProof(proof, context()))
  })
  test('a declaration of another device, of another maker, or older than known', async () => {
    const network = await statement(alice)
    const other = { declaration: await signed(declared('L-2')), network }
    refusedAs('declaration-invalid', () => verifyOwnershipProof(other, context()))
    const own = { declaration: await signed(), network }
    const anchors = [{ name: 'Eve', certificate: eve.root.certificate }]
    refusedAs('declaration-invalid', () => verifyOwnershipProof(own, { ...context(), anchors }))
    refusedAs('declaration-stale', () => verifyOwnershipProof(own, { ...context(), declarationVersion: 3 }))
    assert.ok(verifyOwnershipProof(own, { ...context(), declarationVersion: 2 }))
  })
  test('another document of the registrar is no statement', async () => {
    const { registrar, root } = alice
    const by = { signer: registrar.signer, certificates: [registrar.certificate, root.certificate] }
    const payload = Buffer.from('{"csign":"x"}')
    for (const typ of [networkStatementType, 'voucher-jws+json']) {
      const network = await signJws({ payload, header: { typ }, ...by })
      const declaration = await signed()
      refusedAs('declaration-invalid', () => verifyOwnershipProof({ declaration, network }, context()))
    }
  })
})

test('as a member of a configuration object', () => {
  const proof = { declaration: Buffer.from('{}'), network: Buffer.from('[]') }
  assert.deepEqual(decodeOwnershipProof(encodeOwnershipProof(proof)), proof)
  assert.equal(decodeOwnershipProof({ 'org.example': 1 }), undefined)
  for (const member of [1, [], {}, { declaration: 'AA==' }, { declaration: 'AA==', network: 1 }])
    refused('bad-value', () => decodeOwnershipProof({ [declarationMember]: member }))
  refused('bad-encoding', () => decodeOwnershipProof({ [declarationMember]: { declaration: '?', network: '' } }))
})
