import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { CodecError } from '../../../src/codec/error.ts'
import { OnboardingError } from '../../../src/domain/error.ts'
import { decodeLabelText, labelSheet, labelSvg, labelText, type UnitLabel } from '../../../src/role/factory/label.ts'
import { readQr } from './qr-reader.ts'

const label: UnitLabel = {
  manufacturer: 'Acme',
  model: 'Sensor 7',
  serial: 'B1-000001',
  keyHash: 'a1'.repeat(32),
}
const hostile = `<script>alert('x')</script>"&\u0000\u001b`

/** The dark modules of the path, as the renderer would paint them. */
function modulesOf(svg: string): boolean[][] {
  const [, scale, path] = /scale\(([\d.]+)\)[^>]* d="([^"]+)"/.exec(svg) ?? []
  const size = Math.round(28 / Number(scale))
  const modules = Array.from({ length: size }, () => new Array<boolean>(size).fill(false))
  for (const [, column, row, run] of path!.matchAll(/M(\d+) (\d+)h(\d+)v1h-\d+z/g)) {
    modules[Number(row)]!.fill(true, Number(column), Number(column) + Number(run))
  }
  return modules
}

describe('the text of a label', () => {
  test('is an RFC 6920 name of the key', () => {
    assert.equal(
      labelText(label),
      `ni:///sha-256;${Buffer.from('a1'.repeat(32), 'hex').toString('base64url')}?sn=B1-000001&m=Sensor%207`,
    )
  })

  test('comes back whole', () => {
    const text = fc.string({ unit: 'binary', minLength: 1, maxLength: 30 }).filter(value => value.isWellFormed())
    const key = fc.uint8Array({ minLength: 32, maxLength: 32 }).map(bytes => Buffer.from(bytes).toString('hex'))
    fc.assert(
      fc.property(text, text, key, (serial, model, keyHash) => {
        const written = labelText({ manufacturer: 'x', serial, model, keyHash })
        fc.pre(written.length <= 600 && encodeURIComponent(serial).length <= 300)
        assert.deepEqual(decodeLabelText(written), { serial, model, keyHash })
      }),
    )
  })

  const digest = Buffer.from('a1'.repeat(32), 'hex').toString('base64url')
  for (const text of [
    '',
    'https://example.com/',
    `ni:///sha-256;${digest}`,
    `ni:///sha-256;${digest}?sn=&m=`,
    `ni:///sha-256;${digest}?sn=a&m=b&x=c`,
    `ni:///sha-256;${digest}?sn=%zz&m=b`,
    `ni:///sha-256;${digest}?sn=%61&m=b`,
    `ni:///sha-256;${digest.slice(0, -1)}_?sn=a&m=b`,
    `ni:///sha-256;${digest}?sn=${'a'.repeat(600)}&m=b`,
    `ni:///sha-256;${digest}?sn=a&m=b\n`,
  ]) {
    test(`refuses ${JSON.stringify(text.slice(0, 80))}`, () => {
      assert.throws(() => decodeLabelText(text), CodecError)
    })
  }

  test('nothing but CodecError comes out of any text', () => {
    const near = fc.string({ maxLength: 40 }).map(rest => `ni:///sha-256;${digest}?sn=${rest}`)
    fc.assert(
      fc.property(fc.oneof(fc.string(), near), text => {
        try {
          decodeLabelText(text)
        } catch (error) {
          assert.ok(error instanceof CodecError)
        }
      }),
    )
  })

  test('a hash of another length is refused', () => {
    assert.throws(() => labelText({ ...label, keyHash: 'a1' }), OnboardingError)
  })
})

describe('a label', () => {
  for (const serial of ['B1-000001', 'X', 'PLANT-7-LINE-12-2026-11-20-000123', 'S'.repeat(64)]) {
    test(`the QR code of ${serial} says what labelText says`, () => {
      const unit = { ...label, serial }
      assert.equal(readQr(modulesOf(labelSvg(unit))), labelText(unit))
    })
  }

  test('shows the whole serial number, the model and the beginning of the key', () => {
    const svg = labelSvg({ ...label, serial: 'PLANT-7-LINE-12-2026-11-20-000123' })
    const texts = [...svg.matchAll(/<text [^>]*>([^<]*)<\/text>/g)].map(([, text]) => text)
    assert.ok(texts.join('').includes('PLANT-7-LINE-12-2026-11-20-000123'))
    assert.ok(texts.includes('Sensor 7'))
    assert.ok(texts.includes('a1a1 a1a1 a1a1 a1a1'))
    assert.ok(!svg.includes('a1a1a1a1a1a1'))
  })

  test('even the longest serial number stays on it', () => {
    const svg = labelSvg({ ...label, serial: 'S'.repeat(64), model: 'M'.repeat(64), manufacturer: 'A'.repeat(64) })
    for (const [, y, size, text] of svg.matchAll(/<text x="32" y="([\d.]+)" font-size="([\d.]+)"[^>]*>([^<]*)</g)) {
      assert.ok(Number(y) < 33.4)
      assert.ok(32 + text!.length * Number(size) * 0.6 < 63.5, text)
    }
  })

  test('nothing that a factory types becomes markup', () => {
    const svg = labelSvg({ ...label, manufacturer: hostile, model: hostile, serial: hostile })
    assert.doesNotMatch(svg, /<script/i)
    assert.doesNotMatch(svg, /\p{Cc}/u)
    assert.ok(svg.includes('&lt;script&gt;'))
    assert.ok(
      svg.includes(`aria-label="Label of unit &lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&quot;&amp;\ufffd\ufffd"`),
    )
    fc.assert(
      fc.property(fc.string({ unit: 'binary', minLength: 1, maxLength: 20 }), text => {
        const drawn = labelSvg({ ...label, manufacturer: text, model: text.toWellFormed() })
        // What is left after our own elements is text without markup.
        const rest = drawn.replaceAll(/<\/?(svg|rect|path|text)( [a-z-]+="[^"<>]*")*\/?>| xmlns="[^"]*"/gi, '')
        assert.doesNotMatch(rest.replaceAll(/<svg[^>]*>/g, ''), /[<>"']/)
      }),
    )
  })
})

describe('a sheet', () => {
  test('24 labels to a page', () => {
    const labels = Array.from({ length: 50 }, (_, i) => ({ ...label, serial: `B1-${i}` }))
    const html = labelSheet('Batch B1', labels)
    assert.equal(html.match(/<ol>/g)?.length, 3)
    assert.equal(html.match(/<svg /g)?.length, 50)
    assert.match(html, /@page \{ size: A4/)
  })

  test('loads nothing, runs nothing, and shows the title as text', () => {
    const html = labelSheet(hostile, [label])
    assert.doesNotMatch(html, /<script/i)
    assert.match(html, /Content-Security-Policy" content="default-src 'none'/)
    assert.deepEqual(
      [...html.matchAll(/https?:\/\/[^"' ]*/g)].map(([url]) => url),
      ['http://www.w3.org/2000/svg'],
    )
    assert.doesNotMatch(html, /\b(src|href|on\w+)=/)
  })

  test('is bounded', () => {
    assert.throws(() => labelSheet('x', new Array<UnitLabel>(10_001).fill(label)), OnboardingError)
  })
})
