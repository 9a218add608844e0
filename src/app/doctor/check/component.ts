import { type Check, counted, ok, site, warn } from '../check.ts'
import { everyRow } from '../patient.ts'

export const component: Check = {
  id: 'component',
  title: 'Parts of devices',
  about:
    'Warns of devices that came in with other parts than their factory stated, and that a person has not looked at since. Says how many have not stated theirs.',
  party: site,
  needs: 'record',
  async run(patient) {
    const found: string[] = []
    let silent = 0
    for await (const { manufacturer, serial, components, expectedComponents, posture, rung } of everyRow(
      patient,
      'device',
    )) {
      if (components === undefined && expectedComponents !== undefined && rung === 'connected') silent++
      // What the first statement brought up stands until a person has said otherwise.
      if (components?.verdict !== 'differ' || posture !== 'suspect') continue
      found.push(`${manufacturer} ${serial}: ${components.differences} differ`)
    }
    const absent = silent === 0 ? '' : ` ${counted(silent, 'device')} in the network did not state their parts.`
    if (found.length === 0) return ok(`None that differs.${absent}`)
    return warn(
      `${counted(found.length, 'device')} with other parts than their factory stated.${absent}`,
      '`mooring device history SERIAL` shows what differs; keep them apart, and say what you found with `mooring policy posture`.',
      found,
    )
  },
}
