import { type Command, InvalidArgumentError } from 'commander'
import { OnboardingError } from '../../domain/error.ts'
import type { LifecycleEvent, LifecycleFact } from '../../domain/lifecycle.ts'
import { lifecycleFactNames } from '../../domain/lifecycle-guard.ts'
import { LifecycleEventName, type TimelineEntryView } from '../api/contract/lifecycle.ts'
import { moment, wrapped } from './table.ts'
import { harmless } from './terminal.ts'

/** What commands about the life of a device and of a unit share. */

type Facts = Readonly<Partial<Record<LifecycleFact, boolean>>>

export function timelineText(entries: readonly TimelineEntryView[]): string {
  return entries.flatMap(entryLines).join('\n')
}

function entryLines(entry: TimelineEntryView): string[] {
  const { since, state, name, transition, event, actor, by } = entry
  const head = `${moment(since)}  ${state}  ${name}`
  if (transition === undefined) return [head]
  const who = by === undefined ? 'by itself' : harmless(by)
  const rests = restsOn(entry)
  const text = `${transition} ${event ?? ''}, ${who} for ${actor ?? ''}${rests === '' ? '' : `: ${rests}`}`
  return [head, ...wrapped(harmless(text), 90).map(line => `    ${line}`)]
}

function restsOn({ proven, said, reason }: TimelineEntryView): string {
  const words = (list: Readonly<Record<string, boolean>>) =>
    Object.entries(list).map(([fact, holds]) => (holds ? fact : `not ${fact}`))
  const told = words(said).map(word => `${word} (said)`)
  return [...words(proven), ...told, ...(reason === undefined ? [] : [`“${reason}”`])].join(', ')
}

export interface FactOptions {
  readonly fact?: Facts
  readonly reason?: string
}

/** `wiped` or `wiped=false`; again for another fact. */
function readFact(text: string, before: Facts = {}): Facts {
  const [name, value = 'true', ...more] = text.split('=')
  const fact = lifecycleFactNames.find(each => each === name)
  if (fact === undefined) throw new InvalidArgumentError(`One of ${lifecycleFactNames.join(', ')}.`)
  if (!['true', 'false'].includes(value) || more.length > 0) throw new InvalidArgumentError('FACT or FACT=false.')
  return { ...before, [fact]: value === 'true' }
}

export function withFacts(command: Command): Command {
  return command
    .option(
      '--fact <fact>',
      'a fact that you vouch for, again for another; FACT=false for its contrary. A refusal names what is missing',
      readFact,
    )
    .option('--reason <text>', 'for the record; to decommission, it is the decision')
}

export function eventNamed(text: string): LifecycleEvent {
  const event = LifecycleEventName.options.find(each => each === text)
  if (event !== undefined) return event
  throw new OnboardingError('input-invalid', {
    field: 'event',
    rule: `one of ${LifecycleEventName.options.join(', ')}`,
  })
}
