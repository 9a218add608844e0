import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { encodeOcspError } from '../../../src/codec/ocsp.ts'
import { certify } from '../../crypto/pki.ts'
import { breaks, openWard, statuses } from './patient.ts'

const day = 86_400_000

describe('revocation', () => {
  test('a list that is not served', () =>
    breaks(
      'crl',
      ({ machine }) => {
        const get = machine.get
        machine.get = async place => ({ ...(await get(place)), status: place.path.startsWith('/crl/') ? 503 : 200 })
      },
      { status: 'fail', finding: /HTTP 503/, action: /mooring up/ },
    ))

  test('a list from before a revocation', () =>
    breaks(
      'crl',
      async ward => {
        const old = await ward.revocation.crl()
        await ward.revocation.revoke(await ward.credential(await ward.device('CL2-1')), 'keyCompromise', 'test')
        const get = ward.machine.get
        ward.machine.get = async place =>
          place.path.startsWith('/crl/') ? { ...(await get(place)), body: old } : get(place)
      },
      { status: 'fail', finding: /1 revoked credential not on the list/, action: /log of the site/ },
    ))

  test('a list that ended while the site was stopped', async () => {
    const ward = await openWard()
    try {
      await ward.revocation.revoke(await ward.credential(await ward.device('CL2-1')), 'keyCompromise', 'test')
      ward.changes.running = undefined
      assert.equal(statuses(await ward.examine())['crl'], 'ok')
      ward.pass(2 * day)
      const crl = (await ward.examine()).checks.find(({ id }) => id === 'crl')
      assert.equal(crl?.status, 'warn')
      assert.match(crl?.action ?? '', /mooring up/)
    } finally {
      await ward.close()
    }
  })
})

describe('OCSP', () => {
  test('where nobody answers, or another than a responder', async () => {
    for (const [answer, finding] of [
      [() => Promise.reject(Object.assign(new Error('no'), { code: 'ENOTFOUND' })), /Nobody answers at http:/],
      [async () => ({ status: 502, body: Buffer.from('') }), /HTTP 502/],
      [async () => ({ status: 200, body: Buffer.from('<html>') }), /no OCSP answer/],
      [async () => ({ status: 200, body: encodeOcspError('tryLater') }), /OCSP status 3/],
    ] as const) {
      await breaks(
        'ocsp',
        ({ machine }) => {
          machine.post = answer
        },
        { status: 'fail', finding, action: /stands in credentials/ },
      )
    }
  })

  test('that does not know the certificate of the registrar', async () => {
    const ward = await openWard()
    try {
      const { certificate } = await certify({ subject: 'another' })
      const { root, issuing } = ward.authority
      const place = { host: '127.0.0.1', port: 8443, issuers: [issuing.name], statusUrl: 'http://gateway:8480' }
      ward.changes.running = { ...place, root, registrar: certificate, issuing: issuing.certificate }
      const found = (await ward.examine()).checks.find(({ id }) => id === 'ocsp')
      assert.equal(found?.status, 'fail')
      assert.match(found?.finding ?? '', /unknown/)
    } finally {
      await ward.close()
    }
  })
})
