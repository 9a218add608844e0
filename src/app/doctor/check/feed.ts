import { type Check, counted, duration, ok, site, warn } from '../check.ts'
import { everyRow } from '../patient.ts'

/** Pulls that may be missed before somebody should look. */
const missed = 3

export const feed: Check = {
  id: 'feed',
  title: 'Feeds of manufacturers',
  about:
    `Warns of a subscription that failed ${missed} times in a row, was silent for ${missed} intervals, or brought what could ` +
    'not be imported: a recall may be among it.',
  party: site,
  needs: 'record',
  async run(patient) {
    const troubled: string[] = []
    let active = 0
    for await (const { manufacturer, interval, addedAt, state } of everyRow(patient, 'subscription', {
      status: 'active',
    })) {
      active++
      const { failure, pulledAt, refused } = state
      const silent = patient.clock() - (pulledAt ?? addedAt)
      const codes = [...new Set(refused.map(({ code }) => code))].join(', ')
      if (refused.length > 0)
        troubled.push(`${manufacturer}: ${counted(refused.length, 'publication')} refused, ${codes}`)
      else if ((failure?.times ?? 0) >= missed)
        troubled.push(`${manufacturer}: ${failure?.code}, ${failure?.times} times`)
      else if (silent > missed * interval) troubled.push(`${manufacturer}: nothing for ${duration(silent)}`)
    }
    if (troubled.length === 0)
      return ok(active === 0 ? 'None subscribed.' : `${counted(active, 'subscription')} up to date.`)
    return warn(
      `${counted(troubled.length, 'subscription')} in trouble.`,
      'Try it with `mooring feed pull MANUFACTURER`; `mooring errors CODE` explains a code.',
      troubled,
    )
  },
}
