import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { HostapPeer } from '../../interop/dpp/peer.ts'
import { Secret } from '../../src/crypto/secret.ts'
import { exportHostapKey, importHostapKey } from '../../src/protocol/dpp/backup.ts'
import { curves } from '../../src/protocol/dpp/curve.ts'
import { generateDppKey, keyId } from '../../src/protocol/dpp/key.ts'
import { needs } from '../peer.ts'

test(
  'Debian’s wpa_supplicant takes our C-sign key and ppKey on every curve, and gives back what we read',
  needs('wpa_supplicant', 'wpa_cli'),
  async () => {
    const folder = await mkdtemp(join(tmpdir(), 'mooring-dpp-key-'))
    const peer = await HostapPeer.wpaSupplicant(folder)
    try {
      for (const { curve } of curves) {
        const [csign, ppKey] = [generateDppKey(curve), generateDppKey(curve)]
        const [key, pp] = [csign, ppKey].map(each => exportHostapKey(each).revealText())
        const id = await peer.command(`DPP_CONFIGURATOR_ADD key=${key} ppkey=${pp}`)
        const back = importHostapKey(new Secret(await peer.command(`DPP_CONFIGURATOR_GET_KEY ${id}`)))
        assert.equal(keyId(back), keyId(csign), curve)
        assert.deepEqual(
          back.privateKey.export({ format: 'raw-private' }),
          csign.privateKey.export({ format: 'raw-private' }),
        )
      }
    } finally {
      await peer.close()
      await rm(folder, { recursive: true, force: true })
    }
  },
)
