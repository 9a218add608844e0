import assert from 'node:assert/strict'
import { hash } from 'node:crypto'
import { describe, it } from 'node:test'
import type { UnitRecords } from '../../lab/all-in-one/message.ts'
import type { Attempt } from '../../lab/all-in-one/pledge.ts'
import { acknowledged, compare, deviceOf, type Witness } from '../../lab/crash/record.ts'
import { generateKey } from '../../src/crypto/key.ts'

const request = Buffer.from('request')
const nonce = Buffer.from('nonce')
const csr = Buffer.from('csr').toString('base64')
const attempt: Attempt = {
  unit: { serial: 'A-1', key: generateKey('P-256'), chain: [] },
  request,
  nonce,
  csr,
  voucher: Buffer.from('voucher'),
  voucherAccepted: true,
  certificate: Buffer.from('certificate'),
  enrolled: true,
  connected: true,
}
const { device: id } = deviceOf(attempt)
const sound = {
  device: { id, rung: 'connected' },
  vouchers: [{ id: hash('sha256', request, 'hex'), voucher: attempt.voucher!.toString('base64') }],
  credentials: [
    {
      requestHash: hash('sha256', `${id}\0${hash('sha256', Buffer.from('csr'), 'hex')}`, 'hex'),
      status: 'issued',
      certificate: attempt.certificate!.toString('base64'),
    },
  ],
  events: [
    'voucher-status-reported',
    'credential-planned',
    'credential-issued',
    'enroll-status-reported',
    'device-connected',
  ],
  logged: [{ nonce: nonce.toString('base64') }],
} as unknown as UnitRecords
const witness: Witness = { attempt, serials: new Set(['01']) }

describe('what a device was told against what the record says', () => {
  it('finds nothing where both agree', () => {
    assert.deepEqual(compare(witness, sound), { lost: [], duplicated: [] })
    assert.equal(acknowledged(witness), 5)
  })

  const changes: Record<string, { readonly change: object; readonly lost?: RegExp; readonly duplicated?: RegExp }> = {
    'a voucher that is gone': { change: { vouchers: [] }, lost: /its voucher$/ },
    'another voucher': { change: { vouchers: [{ ...sound.vouchers[0], voucher: 'x' }] }, lost: /its voucher$/ },
    'no log entry at the MASA': { change: { logged: [] }, lost: /log entry/ },
    'a credential that is only planned': {
      change: { credentials: [{ ...sound.credentials[0], status: 'planned' }] },
      lost: /its credential/,
    },
    'a status without event': { change: { events: [] }, lost: /its voucher status/ },
    'a device that never connected': {
      change: { device: { ...sound.device, rung: 'credentialed' } },
      lost: /its connection/,
    },
    'no device at all': { change: { device: undefined }, lost: /its credential/ },
    'two credentials': {
      change: { credentials: [...sound.credentials, ...sound.credentials] },
      duplicated: /2 credentials on record/,
    },
    'two log entries': { change: { logged: [...sound.logged, ...sound.logged] }, duplicated: /2 log entries/ },
    'planned twice': {
      change: { events: [...sound.events, 'credential-planned'] },
      duplicated: /2 credentials planned/,
    },
  }
  for (const [name, { change, lost, duplicated }] of Object.entries(changes)) {
    it(`finds ${name}`, () => {
      const found = compare(witness, { ...sound, ...change })
      if (lost !== undefined) assert.match(found.lost[0] ?? '', lost)
      if (duplicated !== undefined) assert.match(found.duplicated[0] ?? '', duplicated)
    })
  }

  it('finds two certificates for one request', () => {
    const { duplicated } = compare({ attempt, serials: new Set(['01', '02']) }, sound)
    assert.match(duplicated[0] ?? '', /2 certificates seen/)
  })
})
