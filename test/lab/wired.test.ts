import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { needs } from '../peer.ts'

const main = join(import.meta.dirname, '../../lab/main.ts')
const peers = needs('hostapd', 'hostapd_cli', 'wpa_supplicant', 'nft', 'conntrack', 'unshare', 'sysctl')
const root = process.getuid?.() === 0

/** With sbin, which a user's PATH lacks. */
function lab(...args: string[]): Promise<{ code: number; out: string; error: string }> {
  return new Promise(resolve => {
    const env = { ...process.env, NODE_TEST_CONTEXT: undefined }
    execFile(process.execPath, [main, 'wired', ...args], { env }, (error, stdout, stderr) => {
      const code = error === null ? 0 : Number(error.code ?? 1)
      resolve({ code, out: stdout, error: stderr })
    })
  })
}

suite('The wired lab', () => {
  const skip = peers.skip !== false ? peers : { skip: root ? false : 'needs root' }
  test('lets devices in by 802.1X, and cuts them off while their packets flow', skip, async () => {
    const { code, out, error } = await lab('cutoff', '--rounds', '4', '--json')
    assert.equal(code, 0, `${out}\n${error}`)
    const { n, leaks, causes } = JSON.parse(out) as { n: number; leaks: number; causes: Record<string, { n: number }> }
    assert.deepEqual([n, leaks, causes['revoked']?.n, causes['withdrawn']?.n], [4, 0, 2, 2])
  })

  test('explains itself, and refuses what it does not know', async () => {
    const { code, out } = await lab('--help')
    assert.equal(code, 0)
    assert.match(out, /wired cutoff/)
    assert.equal((await lab('cutof')).code, 2)
    assert.equal((await lab('cutoff', '--rounds', 'many')).code, 2)
    assert.equal((await lab('cutoff', '--nonsense')).code, 2)
  })
})
