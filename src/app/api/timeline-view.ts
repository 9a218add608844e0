import { lifecycleStates } from '../../domain/lifecycle-table.ts'
import type { TimelineEntry } from '../../role/lifecycle/timeline.ts'
import type { TimelineEntryView } from './contract/lifecycle.ts'

export function timelineView({ since, until, state, proven, said, ...rest }: TimelineEntry): TimelineEntryView {
  return {
    state,
    name: lifecycleStates[state].name,
    since: new Date(since).toISOString(),
    ...(until === undefined ? {} : { until: new Date(until).toISOString() }),
    ...rest,
    proven: { ...proven },
    said: { ...said },
  }
}
