import { setTimeout as delay } from 'node:timers/promises'
import type { ErrorCode } from '../../domain/error.ts'
import { higherRung, type Rung } from '../../domain/evidence.ts'
import type { Progress } from '../../protocol/brski/pledge.ts'
import type { LadderRow } from './ladder.ts'
import type { DemoOutcome } from './outcome.ts'

/** A part in the demonstration: something that is switched on, and the end that it has to come to. */
export interface Part {
  readonly name: string
  readonly model: string
  /** What the site's record of strangers says of it, who claims to be somebody: a serial number, or the hash of a key. */
  readonly claim?: string
  /** Nobody told the site that this one would come. */
  readonly unexpected?: boolean
  /** Shown behind the ladder. */
  readonly note?: string
  readonly expected:
    | { readonly outcome: 'onboarded' }
    | { readonly outcome: 'refused'; readonly code: ErrorCode }
    /** It takes a network that is not its owner's, and is shown for that. */
    | { readonly outcome: 'misled'; readonly network: string }
  /** What it goes through once it is on, until its end or until the signal aborts. */
  play(signal: AbortSignal): AsyncIterable<Progress>
}

/** A network that tried to take a device and was refused by it. */
export interface NetworkRefusal {
  readonly network: string
  readonly device: string
  readonly code: ErrorCode
}

export interface Performance {
  readonly outcome: DemoOutcome
  readonly rows: readonly LadderRow[]
  /** What devices refused on their way: networks that may not have them. */
  readonly networks: readonly NetworkRefusal[]
}

/** What the site's own record says of a part: a device is told little. */
export interface Recorded {
  readonly code?: ErrorCode
  readonly rung?: Rung
}

export interface Direction {
  /** Milliseconds after which the rest is switched off. */
  readonly bound: number
  /** Milliseconds that a device rests on each rung, for a person who watches. */
  readonly pace: number
  /** Switches everything off at once. */
  readonly signal?: AbortSignal
  /** Whether it is the owner's network. */
  readonly isHome: (candidate: string) => boolean
  readonly nameOf: (candidate: string) => string
  readonly show: (rows: readonly LadderRow[]) => void
  readonly recorded: (part: Part) => Promise<Recorded>
}

interface Act {
  readonly part: Part
  rung?: Rung
  waiting?: ErrorCode
  refusal?: ErrorCode
  /** The network that took it, and may not have it. */
  misled?: string
}

/**
 * Switches all parts on and lets each come to its end: connected, refused by everybody it can reach, or, for a device that
 * waits for a person, once nobody else is under way.
 */
export async function perform(parts: readonly Part[], direction: Direction): Promise<Performance> {
  const { bound, pace, isHome, nameOf, show } = direction
  const started = performance.now()
  const acts: Act[] = parts.map(part => ({ part }))
  const networks: NetworkRefusal[] = []
  const power = new AbortController()
  const off = () => power.abort()
  const limit = setTimeout(off, bound)
  direction.signal?.addEventListener('abort', off)
  if (direction.signal?.aborted === true) off()
  const done = new Set<Act>()
  const settle = () => {
    // Who waits for a person would wait for ever here, and who was refused would try again for as long as it has power.
    if (acts.every(act => done.has(act) || act.waiting !== undefined || act.refusal !== undefined)) power.abort()
  }
  const rest = (milliseconds: number) => delay(milliseconds, undefined, { signal: power.signal }).catch(() => undefined)
  const play = async (act: Act, index: number) => {
    if (pace > 0) await rest((index * pace) / 3)
    for await (const news of act.part.play(power.signal)) {
      note(act, news, { isHome, nameOf, networks })
      if (act.refusal !== undefined || act.waiting !== undefined) consult(act, await direction.recorded(act.part))
      show(acts.map(row))
      settle()
      // A device does its next step when it is asked for the next news, so this slows the device, not the picture of it.
      if (pace > 0 && news.type === 'climbed') await rest(pace)
    }
    done.add(act)
    settle()
  }
  try {
    show(acts.map(row))
    await Promise.all(acts.map(play))
  } finally {
    clearTimeout(limit)
    direction.signal?.removeEventListener('abort', off)
  }
  const seconds = Math.round(performance.now() - started) / 1000
  return { outcome: outcomeOf(acts, networks, seconds), rows: acts.map(row), networks }
}

/** The site's record knows why, and how far a device came that never heard of it. */
function consult(act: Act, { code, rung }: Recorded): void {
  if (rung !== undefined) act.rung = act.rung === undefined ? rung : higherRung(act.rung, rung)
  if (code === undefined) return
  if (act.refusal !== undefined) act.refusal = code
  else if (act.waiting !== undefined) act.waiting = code
}

function note(
  act: Act,
  news: Progress,
  context: {
    readonly isHome: (candidate: string) => boolean
    readonly nameOf: (candidate: string) => string
    readonly networks: NetworkRefusal[]
  },
): void {
  if (news.type === 'climbed') {
    act.rung = act.rung === undefined ? news.rung : higherRung(act.rung, news.rung)
    if (news.rung === 'credentialed' && !context.isHome(news.candidate)) act.misled = context.nameOf(news.candidate)
    // Who only tries again is where it was.
    if (news.rung === 'heard') return
    delete act.refusal
    delete act.waiting
  }
  // All that "come back later" can mean to a device; the site's record says it for certain.
  if (news.type === 'waiting') act.waiting = 'device-unexpected'
  if (news.type !== 'refused') return
  if (context.isHome(news.candidate)) act.refusal = news.code
  else {
    const network = context.nameOf(news.candidate)
    const known = context.networks.some(each => each.network === network && each.device === act.part.name)
    if (!known) context.networks.push({ network, device: act.part.name, code: news.code })
  }
}

function row({ part, rung, waiting, refusal, misled }: Act): LadderRow {
  const code = refusal ?? waiting
  return {
    name: part.name,
    model: part.model,
    ...(rung === undefined ? {} : { rung }),
    ...(code === undefined || rung === 'connected' ? {} : { refusal: code, waiting: refusal === undefined }),
    ...(misled === undefined ? {} : { misled }),
    ...(part.unexpected === true ? { unexpected: true } : {}),
    ...(part.note === undefined ? {} : { note: part.note }),
  }
}

function outcomeOf(acts: readonly Act[], networks: readonly NetworkRefusal[], seconds: number): DemoOutcome {
  const onboarded = acts.filter(({ rung, misled }) => rung === 'connected' && misled === undefined)
  const misled = acts.flatMap(({ part, misled: network }) =>
    network === undefined ? [] : [{ device: part.name, network }],
  )
  const refused = acts.flatMap(({ part, rung, refusal, waiting }) => {
    const code = refusal ?? waiting
    return rung === 'connected' || code === undefined ? [] : [{ device: part.name, code }]
  })
  return {
    onboarded: onboarded.map(({ part }) => part.name),
    misled,
    refused: [...refused, ...networks.map(({ network, code }) => ({ device: network, code }))],
    seconds,
  }
}
