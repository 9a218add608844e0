import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { clocked, clockless, day, start, TimeMachine, type Traveller, year } from './time-travel/world.ts'

/** Every device that is on and has its right is let in with what it holds. */
async function everybodyIsIn(machine: TimeMachine, devices: readonly Traveller[]): Promise<void> {
  for (const device of devices) {
    const credential = await device.credential()
    const where = `${device.serial} in ${new Date(machine.now).toISOString().slice(0, 10)}`
    assert.ok(credential !== undefined, `${where} has no credential: ${JSON.stringify(device.progress.slice(-3))}`)
    assert.equal(await machine.presence(credential), 200, where)
  }
}

/** Nothing but the credentials in force opens anything, however old; `spent` counts what was tried. */
async function nothingElseIs(machine: TimeMachine): Promise<number> {
  let spent = 0
  for (const { certificate, status, notAfter, device } of await machine.everyCredential()) {
    if (certificate === undefined) continue
    if (status === 'issued' && machine.siteClock() <= notAfter) continue
    spent++
    const der = Buffer.from(certificate, 'base64')
    const where = `${status} of ${device} until ${new Date(notAfter).toISOString()}`
    assert.ok([401, 403].includes(await machine.presence(der)), `presence, ${where}`)
    assert.ok([401, 403].includes(await machine.renewal(der)), `renewal, ${where}`)
  }
  return spent
}

suite('Fifteen years', () => {
  test('with two root rollovers, new issuing CAs, a leap day, absences, a wrong clock: nobody is locked out, nothing outlives its right', async () => {
    const machine = await TimeMachine.open()
    try {
      const [plain, meter, awayWithClock, awayWithout, thief, confused] = await Promise.all(
        [clocked, clockless, clocked, clockless, clocked, clocked].map(model => machine.buy(model)),
      )
      const honest = [plain, meter, awayWithClock, awayWithout, confused] as Traveller[]
      const here = () => honest.filter(({ isOn }) => isOn)
      for (const device of machine.devices) await device.switchOn()
      await machine.until(start + 30 * day)
      await everybodyIsIn(machine, machine.devices)

      // A leap day: a device is onboarded on it, and the lifetime counts days, not birthdays.
      await machine.until(Date.UTC(2028, 1, 29, 12))
      const leap = await machine.buy(clocked)
      await leap.switchOn()
      honest.push(leap)
      const [issued] = await machine.credentials(leap)
      assert.equal(new Date(issued!.notAfter).toISOString().slice(0, 10), '2029-02-28')
      await everybodyIsIn(machine, here())

      // The issuing CA rolls over; the old one goes on with its revocation list.
      assert.equal(await machine.roll('issuing'), 'issuing-2')
      assert.equal(machine.authority.issuing.name, 'issuing-2')
      await everybodyIsIn(machine, here())

      // Three years on, one device loses its right, and keeps trying.
      await machine.until(start + 3 * year)
      assert.equal(await machine.presence((await thief!.credential())!), 200)
      await machine.withdraw(thief!)
      const beforeTheft = thief!.count('renewed')
      /** It asks about hourly, all the time; some days of each year are enough to watch. */
      const itTries = async () => {
        if (!thief!.isOn) await thief!.switchOn()
        await machine.until(machine.now + 3 * day)
        await thief!.switchOff()
      }
      await itTries()

      // Two devices are put in a drawer; the first root rollover happens meanwhile.
      await machine.until(start + 3.5 * year)
      await awayWithClock!.switchOff()
      await awayWithout!.switchOff()
      await machine.until(start + 4 * year)
      assert.equal(await machine.roll('root'), 'root-2')
      await everybodyIsIn(machine, here())
      const late = await machine.buy(clockless)
      await late.switchOn()
      honest.push(late)
      await machine.until(start + 5 * year)
      await everybodyIsIn(machine, here())
      for (const device of here()) assert.equal(await device.anchors(), 2, 'both roots are handed out, and known')
      await machine.until(start + 5.5 * year)
      await awayWithClock!.switchOn()
      await awayWithout!.switchOn()
      await machine.until(start + 5.5 * year + 2 * day)
      await everybodyIsIn(machine, here())
      assert.ok(awayWithClock!.count('expired') > 0)
      assert.equal(awayWithout!.count('disowned'), 1, 'it was told by its own network, under a root it had never seen')

      // The clock of the site is three years ahead for two weeks, then right again.
      await machine.until(start + 6 * year)
      machine.siteOff = 3 * year
      await machine.until(start + 6 * year + 14 * day)
      machine.siteOff = 0
      await machine.until(start + 6 * year + 30 * day)
      await everybodyIsIn(machine, here())

      // The clock of a device starts again in 1970, and is set right after a month.
      confused!.off = -machine.now
      await machine.until(start + 6.2 * year)
      confused!.off = 0
      await machine.until(start + 6.3 * year)
      await everybodyIsIn(machine, here())
      await itTries()

      // The second root, while the other one is away.
      await machine.until(start + 8 * year)
      await awayWithout!.switchOff()
      await machine.until(start + 9 * year)
      assert.equal(await machine.roll('root'), 'root-3')
      await machine.until(start + 10.5 * year)
      await awayWithout!.switchOn()
      for (let time = machine.now; time < start + 15 * year; ) {
        time += 180 * day
        await machine.until(time)
        await everybodyIsIn(machine, here())
        await itTries()
      }

      assert.equal(here().length, honest.length)
      for (const device of [plain!, meter!])
        assert.ok(device.count('renewed') >= 20, `${device.count('renewed')} renewals`)
      assert.equal(plain!.count('expired') + plain!.count('disowned'), 0, 'an undisturbed device never started over')
      // The withdrawn device never came back, at any time, in spite of trying for twelve years.
      assert.equal(thief!.count('renewed'), beforeTheft)
      assert.ok(thief!.count('refused') > 500)
      assert.equal(await thief!.credential(), undefined)
      const ofThief = await machine.credentials(thief!)
      assert.ok(ofThief.every(({ status }) => status === 'revoked'))
      const spent = await nothingElseIs(machine)
      assert.ok(spent > 100, `${spent} spent credentials were tried`)
      assert.equal((await machine.site.verify()).integrity, 'pass')
    } finally {
      await machine.close()
    }
  })

  test('with nobody who looks after the site: CAs and roots follow each other by themselves', async () => {
    const machine = await TimeMachine.open()
    try {
      const devices = [await machine.buy(clocked), await machine.buy(clockless)]
      const away = [await machine.buy(clocked), await machine.buy(clockless)]
      for (const device of [...devices, ...away]) await device.switchOn()
      for (let time = start; time < start + 28 * year; ) {
        time += year
        await machine.until(time)
        await everybodyIsIn(machine, devices)
        const { issuing, root } = machine.authority
        assert.ok(issuing.certificate.validity.notAfter.getTime() - machine.now > 2 * year, 'room for credentials')
        assert.ok(root.validity.notAfter.getTime() - machine.now > 5 * year)
        // Away from before the second root until after the end of the first, by which their maker knows their owner.
        const passed = Math.round((time - start) / year)
        if (passed === 12) for (const device of away) await device.switchOff()
        if (passed === 21) for (const device of away) await device.switchOn()
        if (passed === 22) await everybodyIsIn(machine, away)
      }
      assert.equal(machine.authority.roots.length, 3)
      assert.ok(machine.authority.generations.length >= 4)
      for (const device of devices) assert.equal(device.count('expired') + device.count('disowned'), 0)
    } finally {
      await machine.close()
    }
  })
})

suite('A credential that ran out', () => {
  test('is renewed in place within the grace period, and after it only by onboarding again', async () => {
    const machine = await TimeMachine.open({ grace: 30 })
    try {
      const device = await machine.buy(clocked)
      await device.switchOn()
      const first = (await device.credential())!
      await device.switchOff()
      await machine.until(start + 380 * day)
      assert.equal(await machine.presence(first), 403, 'it opens nothing')
      await device.switchOn()
      assert.equal(device.count('renewed'), 1)
      assert.equal(device.count('expired'), 0)
      const second = (await device.credential())!
      await everybodyIsIn(machine, [device])
      await device.switchOff()
      await machine.until(machine.now + 400 * day)
      assert.equal(await machine.renewal(second), 403, 'the grace is over')
      await device.switchOn()
      assert.equal(device.count('expired'), 1)
      await everybodyIsIn(machine, [device])
    } finally {
      await machine.close()
    }
  })

  test('and was revoked has no grace', async () => {
    const machine = await TimeMachine.open({ grace: 30 })
    try {
      const device = await machine.buy(clocked)
      await device.switchOn()
      const copy = (await device.credential())!
      await device.switchOff()
      const [record] = await machine.credentials(device)
      await machine.revocation.revoke(record!.id, 'keyCompromise', 'test')
      await machine.until(start + 370 * day)
      assert.equal(await machine.renewal(copy), 403)
    } finally {
      await machine.close()
    }
  })
})
