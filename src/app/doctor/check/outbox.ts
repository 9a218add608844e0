import { both, type Check, counted, duration, ok, warn } from '../check.ts'
import { hour } from '../patient.ts'

export const outbox: Check = {
  id: 'outbox',
  title: 'Work that waits',
  about: 'Warns when work that follows a decision was tried three times without success, or was due an hour ago.',
  party: both,
  needs: 'record',
  async run({ clock, condition, running }) {
    const { outbox } = await condition()
    const now = clock()
    const stuck = outbox.filter(({ tried, oldestDue }) => tried > 0 || oldestDue < now - hour)
    const items = outbox.reduce((sum, each) => sum + each.items, 0)
    if (stuck.length === 0) return ok(items === 0 ? 'Nothing waits.' : `${counted(items, 'item')} on the way.`)
    const evidence = stuck.map(
      ({ topic, items, attempts, oldestDue }) =>
        `${topic}: ${counted(items, 'item')}, tried up to ${attempts} times, due ${duration(now - oldestDue)} ago`,
    )
    const action =
      running === undefined
        ? 'Start the site with `mooring up`: it goes on where it was.'
        : 'Look into the log of the site for the reason; an address that does not answer is tried again.'
    return warn('Work that follows decisions does not get done.', action, evidence)
  },
}
