import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { promisify } from 'node:util'
import { needs } from '../../peer.ts'

const peers = needs('nft', 'ip', 'conntrack', 'unshare')
const root = process.getuid?.() === 0
const skip = peers.skip !== false ? peers : { skip: root ? false : 'needs root' }
const [lamp, meter] = ['02:00:00:00:00:11', '02:00:00:00:00:12']

suite('The fence', () => {
  test('forgets everybody when nobody holds it, and whom it should not know at once', skip, async () => {
    const script = join(import.meta.dirname, 'fence-process.ts')
    const { stdout } = await promisify(execFile)('unshare', ['--net', '--', process.execPath, script])
    assert.deepEqual(JSON.parse(stdout), {
      admitted: [{ [lamp]: 45 }, {}],
      held: [{ [meter]: 45 }, { [lamp]: 45 }],
      expelled: [{}, { [lamp]: 45 }],
      reopened: [{}, {}],
      refused: 'input-invalid',
    })
  })
})
