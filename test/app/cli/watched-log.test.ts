import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { openLog } from '../../../src/adapter/telemetry/log.ts'
import { watchedLog } from '../../../src/app/cli/watched-log.ts'
import { Secret } from '../../../src/crypto/secret.ts'

describe('a log that a person watches', () => {
  function watched(isTTY: boolean) {
    const lines: string[] = []
    const stderr = { isTTY, write: (text: string) => lines.push(text) }
    return { lines, place: watchedLog({ stderr, env: { NO_COLOR: '1' } }) }
  }

  test('is readable, does nothing to the terminal, and tells no secret', () => {
    const { lines, place } = watched(true)
    const log = openLog({ level: 'info', ...place })
    log.info({ host: '::', port: 8443 }, 'listening')
    log.warn({ serial: 'x\u001b[2Jy', pin: new Secret('1234') }, 'odd')
    assert.match(lines[0] ?? '', /^\d\d:\d\d:\d\d listening host=:: port=8443\n$/)
    assert.match(lines[1] ?? '', /^\d\d:\d\d:\d\d warning: odd serial=x\ufffd\[2Jy pin=\[secret\]\n$/)
  })

  test('stays JSON where nobody looks on', () => {
    assert.deepEqual(watched(false).place, {})
  })
})
