import { both, type Check, duration, fail, ok, warn } from '../check.ts'

/** What two clocks may differ by, milliseconds. */
const tolerance = 300_000
/** Mooring did not exist before. */
const earliest = Date.parse('2026-01-01')
const latest = Date.parse('2100-01-01')

const action =
  'Set the clock of this machine, by NTP or by hand; certificates made meanwhile may begin at the wrong time.'

export const clock: Check = {
  id: 'clock',
  title: 'Clock',
  about:
    'Fails when the clock stands before the last event of the record, or in a year that cannot be. With --network warns, too, ' +
    'when manufacturers’ services say another time; they may err as well, and nothing follows their clocks.',
  party: both,
  needs: 'record',
  async run({ clock, condition, probes }) {
    const now = clock()
    const said = new Date(now).toISOString()
    if (now < earliest || now > latest) return fail(`The clock says ${said}.`, action)
    const { lastEventAt = 0 } = await condition()
    if (now < lastEventAt - tolerance) {
      return fail(`The clock says ${said}, ${duration(lastEventAt - now)} before the last event on record.`, action)
    }
    const others = (await probes()).flatMap(({ name, date }) => (date === undefined ? [] : [{ name, date }]))
    const apart = others.filter(({ date }) => Math.abs(date - now) > tolerance)
    if (apart.length > 0) {
      const evidence = apart.map(({ name, date }) => `${name} says ${new Date(date).toISOString()}`)
      return warn(`The clock says ${said}, and others say otherwise.`, `Find out who is right. ${action}`, evidence)
    }
    const agreed = others.length > 0 ? `, as ${others.map(({ name }) => name).join(', ')}` : ''
    return ok(`The clock says ${said}${agreed}.`)
  },
}
