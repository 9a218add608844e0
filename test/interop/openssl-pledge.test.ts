import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { needs } from '../peer.ts'
import { type Lab, openLab } from './lab.ts'

describe('a device of openssl and curl alone', needs('openssl', 'curl', 'bash'), () => {
  let lab: Lab
  let serials: readonly string[]
  before(async () => {
    lab = await openLab()
    serials = await lab.make('B1', 4)
  })
  after(() => lab.close())

  for (const [version, index] of [
    ['1.2', 0],
    ['1.3', 1],
  ] as const) {
    it(`onboards over TLS ${version}`, async () => {
      const serial = serials[index]!
      const { code, out, error } = await lab.pledge('onboard', serial, { env: { TLS: version } })
      assert.equal(code, 0, error)
      const shown: unknown = JSON.parse(out)
      const device = await lab.deviceOf(serial)
      assert.deepEqual(shown, { network: 'lab', device: device?.id, serial })
      assert.equal(device?.rung, 'connected')
      assert.equal(device?.lifecycle, 'US.COM')
    })
  }
})
