import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { deflateSync } from 'node:zlib'
import { inspectPicture, pictureLimits } from '../../../src/adapter/image/picture.ts'
import { createQrCodeReader } from '../../../src/adapter/image/qr-code.ts'
import { needs } from '../../peer.ts'
import { codesPng, greyPng, pngOf } from './png.ts'

const photo = readFileSync(new URL('../../vector/dpp-code/label.jpg', import.meta.url))
const uri =
  'DPP:C:81/6;M:020000000100;I:SN=CL2-000001;V:2;' +
  'K:MDkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDIgADM2206avxHJaHXgLMkq/24e0rsrfMP9K1Tm8gx+ovP0I=;;'
const reader = createQrCodeReader()
const unreadable = { code: 'picture-unreadable' }

/** A JPEG as far as its header. */
function jpegHeader(width: number, height: number): Buffer {
  const frame = Buffer.from('ffd8ffe000044a46ffc0000b08', 'hex')
  const size = Buffer.alloc(4)
  size.writeUInt16BE(height, 0)
  size.writeUInt16BE(width, 2)
  return Buffer.concat([frame, size, Buffer.from('01011100', 'hex')])
}

describe('codes in pictures', () => {
  test('are read from a PNG, and from a photograph that is askew and dark', async () => {
    assert.deepEqual(await reader.read(codesPng([uri])), [uri])
    assert.deepEqual(inspectPicture(photo), { format: 'jpeg', width: 640, height: 480 })
    assert.deepEqual(await reader.read(photo), [uri])
  })

  test('are all told when there are several, and none when there is none', async () => {
    const other = 'WIFI:S:home;T:WPA;P:secret;;'
    assert.deepEqual([...(await reader.read(codesPng([uri, other])))].sort(), [uri, other])
    assert.deepEqual(await reader.read(greyPng(64, 64, () => 255)), [])
  })

  test('are what another reader finds', needs('zbarimg'), async () => {
    const directory = mkdtempSync(join(tmpdir(), 'mooring-code-'))
    try {
      const file = join(directory, 'code.png')
      writeFileSync(file, codesPng([uri]))
      assert.equal(execFileSync('zbarimg', ['-q', '--raw', file], { encoding: 'utf8' }).trim(), uri)
    } finally {
      rmSync(directory, { recursive: true })
    }
  })

  test('are not looked for in what is no picture, or too large a one', async () => {
    const big = 5001
    for (const [reason, bytes] of [
      ['neither', Buffer.from('GIF89a')],
      ['neither', Buffer.alloc(0)],
      ['damaged', pngOf(1, 1, Buffer.alloc(0)).subarray(0, 20)],
      ['cut', codesPng([uri]).subarray(0, -20)],
      ['no pixels', pngOf(0, 5, Buffer.alloc(0))],
      ['pixels: make it smaller', pngOf(big, big, Buffer.alloc(0))],
      ['pixels: make it smaller', jpegHeader(0xffff, 0xffff)],
      ['no frame', Buffer.from('ffd8ffd9', 'hex')],
      ['damaged', Buffer.from('ffd8000000000000000000000000', 'hex')],
      ['MiB', Buffer.alloc(pictureLimits.bytes + 1)],
    ] as const) {
      await assert.rejects(reader.read(bytes), (error: { code: string; detail: { reason: string } }) => {
        assert.equal(error.code, 'picture-unreadable')
        assert.ok(error.detail.reason.includes(reason), `${reason}: ${error.detail.reason}`)
        return true
      })
    }
  })

  test('are unpacked where nobody waits for it, and not at all when they are more than a camera makes', async () => {
    const side = 5000
    const rows = (octets: number) => deflateSync(Buffer.alloc(side * (side * octets + 1)))
    // Its header alone is looked at before it is handed over: what unpacks to nothing passes.
    assert.deepEqual(inspectPicture(pngOf(side, side, Buffer.alloc(9))), { format: 'png', width: side, height: side })
    assert.deepEqual(await reader.read(pngOf(side, side, rows(1))), [])
    const deep = pngOf(side, side, rows(8), { depth: 16, color: 6 })
    assert.ok(deep.length < 0x4_0000)
    await assert.rejects(reader.read(deep), unreadable)
  })

  test('unpack to no more than the picture says', async () => {
    // 64 KiB that unpack to 64 MiB, behind a header of 100 pixels.
    const bomb = pngOf(10, 10, deflateSync(Buffer.alloc(64 << 20)))
    assert.ok(bomb.length < 0x2_0000)
    await assert.rejects(reader.read(bomb), unreadable)
    await assert.rejects(reader.read(pngOf(10, 10, randomBytes(100))), unreadable)
  })

  test('in a damaged picture end with it, and the next one is read', async () => {
    const damaged = Buffer.from(photo)
    damaged.fill(0xff, 700)
    const found = await reader.read(damaged).catch((error: { code: string }) => error.code)
    assert.ok(found === 'picture-unreadable' || (Array.isArray(found) && found.length === 0))
    await assert.rejects(reader.read(jpegHeader(100, 100)).then(texts => assert.notEqual(texts.length, 0)))
    assert.deepEqual(await reader.read(photo), [uri])
  })

  test('wait for their turn, a few of them', async () => {
    const outcomes = await Promise.allSettled(Array.from({ length: 7 }, () => reader.read(photo)))
    const read = outcomes.filter(({ status }) => status === 'fulfilled').length
    assert.equal(read, 4)
    for (const outcome of outcomes) {
      if (outcome.status === 'rejected') assert.equal(outcome.reason.code, 'too-many-pictures')
    }
  })
})
