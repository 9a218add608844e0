import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { exportSpki, generateDppKey } from '../../../src/protocol/dpp/key.ts'
import { formatBootstrappingUri } from '../../../src/protocol/dpp/uri.ts'
import { createBootstrapping } from '../../../src/role/onboarding/bootstrapping.ts'
import { certify } from '../../crypto/pki.ts'
import { breaking, breaks, data, file, put, start } from './patient.ts'

const day = 86_400_000
const hour = 3_600_000

describe('the machine', () => {
  test('an old Node.js', () =>
    breaks(
      'node-version',
      ({ machine }) => {
        machine.nodeVersion = '22.11.0'
      },
      { status: 'fail', finding: /22\.11\.0 is older/, action: /Install Node/ },
    ))

  test('a data directory that others can open', () =>
    breaks('data-directory', ({ machine }) => put(machine, file(data, { kind: 'directory', mode: 0o755 })), {
      status: 'fail',
      finding: /Others can reach/,
      action: /chmod 700 \/var\/lib\/mooring/,
    }))

  test('a token for the API that others can read', () =>
    breaks('data-directory', ({ machine }) => put(machine, file(`${data}/access.json`, { mode: 0o644, text: '{}' })), {
      status: 'fail',
      finding: /Others can reach/,
      action: /chmod 600 .*access\.json/,
    }))

  test('settings that are damaged', () =>
    breaks('data-directory', ({ machine }) => put(machine, file(`${data}/site.json`, { text: '{"netw' })), {
      status: 'fail',
      finding: /site\.json is damaged/,
      action: /mooring restore/,
    }))

  test('the key of TLS, open to others', () =>
    breaks('key-files', ({ machine }) => put(machine, file(`${data}/keys/registrar-1.sealed`, { mode: 0o640 })), {
      status: 'fail',
      finding: /private keys/,
      action: /chmod 600 .*registrar-1\.sealed/,
    }))

  test('a key that belongs to somebody else', () =>
    breaks('key-files', ({ machine }) => put(machine, file(`${data}/keys/root.sealed`, { owner: 0 })), {
      status: 'fail',
      finding: /private keys/,
      action: /chown 1000/,
    }))

  test('a link in the place of a key', () =>
    breaks('key-files', ({ machine }) => put(machine, file(`${data}/keys/root.sealed`, { kind: 'link' })), {
      status: 'fail',
      finding: /private keys/,
      action: /put the file itself/,
    }))

  test('a draft that a crash left', () =>
    breaks(
      'key-files',
      ({ machine }) => put(machine, file(`${data}/keys/x.sealed.ab.draft`, { modifiedAt: start - 2 * hour })),
      { status: 'warn', finding: /broken off/, action: /rm .*\.draft/ },
    ))

  test('keys without a passphrase', () =>
    breaks(
      'key-protection',
      ({ machine }) => put(machine, file(`${data}/keys/store.key`, { text: '{"protection": "file"}' })),
      { status: 'warn', finding: /No passphrase/, action: /MOORING_KEY_PASSPHRASE/ },
    ))

  test('a disk that fills, and one that is full', async () => {
    for (const [free, status] of [
      [500e6, 'warn'],
      [50e6, 'fail'],
    ] as const) {
      await breaks(
        'disk-space',
        ({ machine }) => {
          machine.disk = { free, total: 100e9 }
        },
        { status, finding: /0 MB of 100 GB|50\.0 MB of 100 GB/, action: /Free disk space/ },
      )
    }
  })

  test('a key that is gone', () =>
    breaks(
      'issuer-keys',
      ({ machine }) => {
        machine.files.delete(`${data}/keys/issuing-1.sealed`)
      },
      { status: 'warn', finding: /issuing-1/, action: /mooring restore/ },
    ))

  test('no backup, and an old one', async () => {
    const action = /mooring backup DIRECTORY/
    await breaks(
      'backup',
      ({ machine }) => {
        machine.files.delete(`${data}/last-backup.json`)
      },
      { status: 'warn', finding: /No backup/, action },
    )
    const old = { format: 'mooring-last-backup 1', at: start - 9 * day, directory: '/mnt/x' }
    const text = JSON.stringify(old)
    const result = await breaking('backup', ({ machine }) => put(machine, file(`${data}/last-backup.json`, { text })), {
      status: 'warn',
      finding: /9 days old/,
      action,
    })
    assert.match(result.evidence?.[0] ?? '', /\/mnt\/x/)
  })

  test('nobody at the onboarding port', () =>
    breaks(
      'onboarding-port',
      ({ machine }) => {
        const get = machine.get
        machine.get = async place => {
          if (!place.path.startsWith('/crl/')) throw Object.assign(new Error('refused'), { code: 'ECONNREFUSED' })
          return get(place)
        }
      },
      { status: 'fail', finding: /Nobody answers at port 8443/, action: /firewall/ },
    ))

  test('nobody at the port of Easy Connect', () =>
    breaks(
      'easy-connect',
      ({ machine }) => {
        machine.reach = () => Promise.reject(Object.assign(new Error('refused'), { code: 'ECONNREFUSED' }))
      },
      { status: 'fail', finding: /Nobody answers at port 8908/, action: /firewall/ },
    ))

  test('codes without a wireless network to give', () =>
    breaks(
      'easy-connect',
      async ({ store }) => {
        const publicKey = exportSpki(generateDppKey('P-256'))
        const uri = formatBootstrappingUri({ publicKey, curve: 'P-256' })
        await createBootstrapping({ store, clock: () => start }).add({ uri }, 'test')
      },
      { status: 'warn', finding: /no wireless network.*1 code/, action: /network add/ },
    ))

  test('a stranger at the onboarding port', () =>
    breaks(
      'onboarding-port',
      async ({ machine }) => {
        const get = machine.get
        const { certificate } = await certify({ subject: 'stranger' })
        machine.get = async place => ({ ...(await get(place)), certificate: Buffer.from(certificate.der) })
      },
      { status: 'fail', finding: /another certificate/, action: /end it/ },
    ))
})
