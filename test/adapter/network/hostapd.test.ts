import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { openHostapd } from '../../../src/adapter/network/hostapd.ts'
import { OnboardingError } from '../../../src/domain/error.ts'
import { needs } from '../../peer.ts'
import { silentLog } from '../../store.ts'

const [lamp, stranger, ghost] = ['02:00:00:00:00:11', '02:00:00:00:00:12', '02:00:00:00:00:13']
/** As Debian's hostapd 2.10 writes it out, octet by octet. */
const identity = ['x', ghost, 'flags=[AUTHORIZED]', 'PONG', `<3>AP-STA-CONNECTED ${ghost}`, ''].join('\n')
const known: Readonly<Record<string, string>> = {
  [lamp]: `${lamp}\nflags=[AUTHORIZED]\naid=0\ndot1xAuthSessionUserName=lamp\n`,
  [stranger]: `${stranger}\nflags=\naid=0\ndot1xAuthSessionUserName=${identity}\n`,
}

/** A program that answers as hostapd_cli does. */
const program = (answers: object) => `#!${process.execPath}
const answers = ${JSON.stringify(answers)}
const [, , , , command, station] = process.argv.slice(2)
if (command === 'all_sta') process.stdout.write(Object.values(answers).join(''))
else if (command === 'sta') process.stdout.write(answers[station] ?? 'FAIL\\n')
else {
  const { createInterface } = require('node:readline')
  const say = { status: 'state=ENABLED', ping: 'PONG', all_sta: Object.values(answers).join('') }
  createInterface({ input: process.stdin }).on('line', line => process.stdout.write('> ' + (say[line] ?? 'OK') + '\\n'))
}
`

let folder: string
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'mooring-hostapd-'))
  await writeFile(join(folder, 'hostapd_cli'), program(known), {
    mode: 0o700,
  })
})
after(() => rm(folder, { recursive: true }))

suite('hostapd', needs('stdbuf'), () => {
  test('is not believed what a device says its name is', async () => {
    const told: string[] = []
    const hostapd = await openHostapd({
      directory: '/run/hostapd',
      interface: 'p1',
      program: join(folder, 'hostapd_cli'),
      onAuthorized: station => told.push(station),
      onGone: station => told.push(station),
      onLost: () => told.push('lost'),
      log: silentLog,
    })
    try {
      assert.deepEqual(await hostapd.stations(), [lamp])
      await hostapd.deauthenticate(lamp)
      assert.deepEqual(told, [])
      await assert.rejects(
        hostapd.deauthenticate(`${lamp}\nall_sta`),
        error => error instanceof OnboardingError && error.code === 'input-invalid',
      )
    } finally {
      await hostapd.close()
    }
  })
})
