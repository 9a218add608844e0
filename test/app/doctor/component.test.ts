import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { DeviceEvent } from '../../../src/domain/device.ts'
import { breaking, start } from './patient.ts'

const stated: DeviceEvent[] = [
  {
    kind: 'components-stated',
    body: {
      snapshot: 'a'.repeat(64),
      expected: 'b'.repeat(64),
      verdict: 'differ',
      differences: [{ name: 'application', kind: 'changed', expected: '1', stated: '2' }],
      at: start,
    },
  },
  { kind: 'posture-stated', body: { posture: 'suspect', by: 'comparison of components', reason: 'components-differ' } },
]

test('a device that came in with other parts than its factory stated', async () => {
  const result = await breaking(
    'component',
    async ward => {
      const expected = {
        manufacturer: 'fjord',
        serial: 'CL2-7',
        model: 'Climate 2',
        source: 'test',
        owner: '',
        declarationVersion: 1,
      }
      await ward.device('CL2-7', [{ kind: 'device-expected', body: expected }, ...stated])
    },
    { status: 'warn', finding: /1 device with other parts/, action: /mooring device history/ },
  )
  assert.match(result.evidence?.[0] ?? '', /CL2-7: 1 differ/)
})
