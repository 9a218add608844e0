import assert from 'node:assert/strict'
import { hash } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import fc from 'fast-check'
import { encodeCanonicalJson } from '../../../src/codec/json.ts'
import { decodeJws } from '../../../src/codec/jws.ts'
import { type Certificate, decodeCertificate } from '../../../src/codec/x509/certificate.ts'
import { signJws } from '../../../src/crypto/jws.ts'
import type { Signer } from '../../../src/crypto/signer.ts'
import type { TrustAnchor } from '../../../src/crypto/trust.ts'
import { declarationType, signDeclaration } from '../../../src/domain/declaration-jws.ts'
import { OnboardingError } from '../../../src/domain/error.ts'
import type { UnitRecord } from '../../../src/domain/manufacture.ts'
import { newDeclaration } from '../../../src/domain/ownership.ts'
import { makeUnits } from '../../../src/role/factory/line.ts'
import type { Manufacturer } from '../../../src/role/factory/manufacturer-setup.ts'
import { shipmentManifest } from '../../../src/role/factory/sale.ts'
import {
  type ManifestUnit,
  manifestLimits,
  manifestType,
  openManifest,
  signManifest,
} from '../../../src/role/supply-chain/manifest.ts'
import { type Factory, now, openFactory } from '../factory/factory.ts'

interface Head {
  version: number
  declarationHeaders: string[]
  units: { count: number; sha256: string }
  [member: string]: unknown
}

type Line = Record<string, unknown> & { declaration: [number, string, string] }
type SigningParty = { readonly signer: Signer; readonly chain: readonly Certificate[] }

describe('a manifest', () => {
  let factory: Factory
  /** Another manufacturer, and one that took the first one's name. */
  let other: Factory
  let impostor: Factory
  let maker: Manufacturer
  let good: Buffer
  let units: readonly UnitRecord[]
  const at = new Date(now)

  before(async () => {
    factory = await openFactory()
    other = await openFactory({ name: 'Other' })
    impostor = await openFactory({ name: 'Acme' })
    maker = factory.manufacturer
    await makeUnits(factory.order({ count: 3 }))
    await makeUnits(other.order({ count: 1 }))
    good = await shipmentManifest(factory, { batch: 'B1' }, maker.party)
    units = await factory.store.read(tables => tables.unit.find({}))
  })
  after(async () => {
    for (const { opened } of [factory, other, impostor]) await opened.close()
  })

  const trusted = () => ({ anchors: maker.masaAnchors, at })

  function parts(): { head: Head; lines: Line[] } {
    const [first, ...rest] = good.toString().trimEnd().split('\n')
    const payload = decodeJws(Buffer.from(first!)).payload
    return {
      head: JSON.parse(Buffer.from(payload).toString()) as Head,
      lines: rest.map(line => JSON.parse(line) as Line),
    }
  }

  /** A manifest that says whatever it is told to, signed by whomever. */
  async function forge(
    { head, lines }: { head: Head; lines: readonly unknown[] },
    by: SigningParty = maker.manifest,
    header: { readonly typ?: string } = { typ: manifestType },
  ): Promise<Buffer> {
    const body = Buffer.from(lines.map(line => `${encodeCanonicalJson(line)}\n`).join(''))
    const signed = { ...head, units: { count: head.units.count, sha256: hash('sha256', body) } }
    const payload = Buffer.from(encodeCanonicalJson(signed))
    const first = await signJws({ payload, header, signer: by.signer, certificates: by.chain })
    return Buffer.concat([first, Buffer.from('\n'), body])
  }

  async function refuses(
    bytes: Uint8Array,
    expected: { readonly rule?: string; readonly code?: string; readonly reason?: RegExp },
    trust: { readonly anchors: readonly TrustAnchor[]; readonly at: Date } = trusted(),
  ): Promise<void> {
    await assert.rejects(openManifest(bytes, trust), (error: unknown) => {
      assert.ok(error instanceof OnboardingError, String(error))
      assert.equal(error.code, expected.code ?? 'manifest-invalid')
      if (expected.rule !== undefined) assert.equal(error.detail['rule'], expected.rule, error.message)
      if (expected.reason !== undefined) assert.match(String(error.detail['reason']), expected.reason)
      return true
    })
  }

  test('is read back as it was written', async () => {
    const manifest = await openManifest(good, trusted())
    assert.equal(manifest.hash, hash('sha256', good))
    assert.deepEqual(
      manifest.units.map(({ serial, keyHash }) => [serial, keyHash]),
      units.map(({ serial, keyHash }) => [serial, keyHash]),
    )
    // The same parts, put together by the test: what is refused below is refused for what was changed.
    assert.equal((await openManifest(await forge(parts()), trusted())).units.length, 3)
  })

  test('of a manufacturer that is not trusted, or of one that only has the name', async () => {
    await refuses(good, { rule: 'untrusted' }, { anchors: other.manufacturer.masaAnchors, at })
    await refuses(good, { rule: 'untrusted' }, { anchors: [], at })
    const forged = await forge(parts(), impostor.manufacturer.manifest)
    await refuses(forged, { rule: 'bad-signature' })
  })

  test('signed with the key of one of the devices', async () => {
    const [unit] = units
    const chain = [unit!.idevid, ...unit!.chain].map(text => decodeCertificate(Buffer.from(text, 'base64')))
    const forged = await forge(parts(), { signer: factory.bench.key(unit!.serial), chain })
    await refuses(forged, { rule: 'untrusted' })
    // A site that was given one root for everything is no worse off.
    const anchors = [...maker.masaAnchors, ...maker.deviceAnchors]
    await refuses(forged, { rule: 'key-mismatch' }, { anchors, at })
  })

  test('signed by another office of the manufacturer', async () => {
    await refuses(await forge(parts(), maker.voucher), { rule: 'key-mismatch' })
    await refuses(await forge(parts(), maker.tls), { rule: 'extended-key-usage' })
  })

  test('signed with a key that its certificate does not have', async () => {
    const [, chain] = [0, maker.manifest.chain]
    const { signer } = impostor.manufacturer.manifest
    const lying = { ...signer, spkiDer: maker.manifest.signer.spkiDer, sign: (data: Uint8Array) => signer.sign(data) }
    await refuses(await forge(parts(), { signer: lying, chain }), { rule: 'bad-signature' })
  })

  test('another signed thing of the same manufacturer', async () => {
    await refuses(await forge(parts(), maker.manifest, { typ: declarationType }), { rule: 'bad-signature' })
    await refuses(await forge(parts(), maker.manifest, {}), { rule: 'bad-signature' })
    await refuses(Buffer.from(`${units[0]!.declaration}\n`), { rule: 'bad-signature' })
  })

  test('after the signer’s certificate has ended', async () => {
    await refuses(good, { rule: 'expired' }, { anchors: maker.masaAnchors, at: new Date('2032-01-01') })
  })

  test('when two trusted manufacturers share the anchor', async () => {
    const anchors = [...maker.masaAnchors, { name: 'Brand', certificate: maker.masaRoot }]
    await refuses(good, { rule: 'ambiguous-anchor' }, { anchors, at })
  })

  test('no byte can be changed, left out or added', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(good.length - 1), fc.integer({ min: 1, max: 255 }), async (index, change) => {
        const bytes = Buffer.from(good)
        bytes[index] = bytes[index]! ^ change
        await refuses(bytes, {})
      }),
      { numRuns: 300 },
    )
    await fc.assert(
      fc.asyncProperty(fc.nat(good.length - 1), async length => refuses(good.subarray(0, length), {})),
      { numRuns: 50 },
    )
    await refuses(Buffer.concat([good, Buffer.from('\n')]), {})
    await refuses(Buffer.concat([good, good.subarray(good.indexOf(10) + 1)]), {})
  })

  test('nothing but OnboardingError comes out of any bytes', async () => {
    const near = fc.string().map(text => Buffer.concat([good.subarray(0, good.indexOf(10) + 1), Buffer.from(text)]))
    const any = fc.uint8Array({ maxLength: 300 })
    await fc.assert(fc.asyncProperty(fc.oneof(any, near), async bytes => refuses(bytes, {})))
  })

  describe('that the manufacturer signed all the same', () => {
    const change = (
      name: string,
      edit: (head: Head, lines: Line[]) => void,
      expected: Parameters<typeof refuses>[1],
    ) => {
      test(name, async () => {
        const { head, lines } = parts()
        edit(head, lines)
        await refuses(await forge({ head, lines }), expected)
      })
    }

    change(
      'with a private key in it',
      (_, lines) => {
        lines[0]!['privateKey'] = 'MC4CAQ'
      },
      { rule: 'bad-value' },
    )
    change(
      'with a private key in its head',
      head => {
        head['key'] = { d: 'x' }
      },
      { rule: 'bad-value' },
    )
    change(
      'of a later version',
      head => {
        head.version = 2
      },
      { rule: 'bad-value' },
    )
    change(
      'without a buyer',
      head => {
        delete head['buyer']
      },
      { rule: 'bad-value' },
    )
    change(
      'with a unit twice',
      (head, lines) => {
        lines.push(lines[0]!)
        head.units.count = 4
      },
      { rule: 'duplicate', reason: /serial B1-000001/ },
    )
    change(
      'with a key twice',
      (_, lines) => {
        lines[1]!['keyHash'] = lines[0]!['keyHash']
      },
      { rule: 'duplicate', reason: /key/ },
    )
    change(
      'with a certificate twice',
      (_, lines) => {
        lines[1]!['certificateHash'] = lines[0]!['certificateHash']
      },
      { rule: 'duplicate' },
    )
    change(
      'with fewer units than it says',
      (_, lines) => {
        lines.pop()
      },
      { rule: 'truncated' },
    )
    change(
      'with more units than it says',
      head => {
        head.units.count = 2
      },
      { rule: 'too-many' },
    )
    change(
      'with the declaration of another unit',
      (_, lines) => {
        lines[0]!.declaration = lines[1]!.declaration
      },
      { rule: 'bad-signature', reason: /another device/ },
    )
    change(
      'with another model than declared',
      (_, lines) => {
        lines[0]!['model'] = 'Gold'
      },
      { rule: 'bad-signature', reason: /another device/ },
    )
    change(
      'in another name than declared',
      head => {
        head['manufacturer'] = 'Other'
      },
      { rule: 'bad-signature', reason: /another device/ },
    )
    change(
      'with a header that is not there',
      (_, lines) => {
        lines[0]!.declaration[0] = 7
      },
      { rule: 'bad-value' },
    )
    change(
      'with a number that is none',
      (_, lines) => {
        lines[0]!['serial'] = 7
      },
      { rule: 'bad-value' },
    )
    change(
      'over 100 000 units',
      head => {
        head.units.count = 100_001
      },
      { code: 'manifest-too-large' },
    )

    test('with a declaration that was altered', async () => {
      const { head, lines } = parts()
      const [header, payload, signature] = lines[0]!.declaration
      const altered = Buffer.from(payload, 'base64url').toString().replaceAll('"Acme"', '"Evil"')
      assert.notEqual(altered, Buffer.from(payload, 'base64url').toString())
      lines[0]!.declaration = [header, Buffer.from(altered).toString('base64url'), signature]
      await refuses(await forge({ head, lines }), { rule: 'bad-signature' })
    })

    test('with a declaration that somebody else signed', async () => {
      const { head, lines } = parts()
      const mine = newDeclaration({
        manufacturer: 'Acme',
        serial: 'B1-000001',
        model: 'Sensor',
        owner: maker.party,
        at: now,
      })
      const jws = decodeJws(await signDeclaration(mine, impostor.manufacturer.manifest))
      head.declarationHeaders.push(jws.signatures[0]!.protectedText)
      const signature = Buffer.from(jws.signatures[0]!.signature).toString('base64url')
      lines[0]!.declaration = [1, jws.payloadText, signature]
      await refuses(await forge({ head, lines }), { rule: 'bad-signature' })
    })

    test('with lines that are not JSON, or a member twice', async () => {
      const { head, lines } = parts()
      const body = (text: string) => {
        const bytes = Buffer.from(text)
        return { bytes, head: { ...head, units: { count: 3, sha256: hash('sha256', bytes) } } }
      }
      const written = lines.map(line => `${encodeCanonicalJson(line)}\n`)
      for (const text of [
        '\n\n\n',
        'x\ny\nz\n',
        written.join('').replace('{', '{"serial":"x",'),
        written.join('').trimEnd(),
      ]) {
        const { bytes, head: signed } = body(text)
        const payload = Buffer.from(encodeCanonicalJson(signed))
        const { signer, chain: certificates } = maker.manifest
        const first = await signJws({ payload, header: { typ: manifestType }, signer, certificates })
        await refuses(Buffer.concat([first, Buffer.from('\n'), bytes]), {})
      }
    })
  })

  test('is bounded when read', async () => {
    await refuses(Buffer.alloc(manifestLimits.bytes + 1), { code: 'manifest-too-large' })
  })

  test('is bounded when written', async () => {
    const [unit] = units
    const { serial, model, keyHash, declaration } = unit!
    const one: ManifestUnit = { serial, model, keyHash, certificateHash: keyHash, declaration }
    function* endless(size: number): Generator<ManifestUnit> {
      for (;;) yield { ...one, mudUrl: 'x'.repeat(size) }
    }
    const head = {
      id: '0'.repeat(32),
      manufacturer: 'Acme',
      issuedAt: now,
      buyer: maker.party,
      masaUrl: 'x',
      anchors: [],
      masaAnchors: [],
    }
    await assert.rejects(signManifest(head, endless(200_000), maker.manifest), { code: 'manifest-too-large' })
    await assert.rejects(signManifest({ ...head, id: 'x' }, [one], maker.manifest), { code: 'input-invalid' })
  })
})
