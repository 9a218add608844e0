import { type ErrorCode, errorCatalogue } from '../../domain/error.ts'
import { rungs } from '../../domain/evidence.ts'
import type { LedgerVerdict, Log } from '../../domain/port.ts'
import { lumenLamp } from '../../role/device/model.ts'
import { table, wrapped } from '../cli/table.ts'
import { columnsOf, progressLine, type Stream } from '../cli/terminal.ts'
import { defined } from '../defined.ts'
import { assembleCast, type Cast } from './cast.ts'
import { liveLadder, type Paint } from './ladder.ts'
import { type DemoOutcome, differences, type ExpectedOutcome } from './outcome.ts'
import { type Part, type Performance, perform, type Recorded } from './run.ts'
import type { Stage, StageTerms } from './stage.ts'

export interface DemoOptions {
  readonly out: Stream
  readonly paint: Paint
  /** Nothing for people: the caller prints the outcome. */
  readonly quiet: boolean
  readonly log: Log
  /** Where the record of a party is; in a directory that goes with the demonstration when absent. */
  readonly storeUrl?: StageTerms['storeUrl']
  /** Milliseconds that each device rests after each step, for a person who watches; not at all unless told. */
  readonly pace?: number
  /** Called when the stage stands and no device is on yet; what it opens is closed before the stage is. */
  readonly opened?: (stage: Stage) => Promise<{ close(): Promise<void> } | undefined>
  /** Breaks it off. */
  readonly signal?: AbortSignal
  /** Milliseconds after which devices that came to no end are switched off. */
  readonly bound?: number
}

export interface DemoResult {
  readonly outcome: DemoOutcome
  /** Empty when the outcome is exactly the expected one and every ledger verifies. */
  readonly differences: readonly string[]
  readonly cast: Cast
}

/** Runs the demonstration up to its summary; the stage stays up until `cast.close`. */
export async function runDemo(options: DemoOptions): Promise<DemoResult> {
  const { out, paint, quiet, log, storeUrl, pace = 0, signal } = options
  const { bound = 40_000 + 40 * pace } = options
  const started = performance.now()
  const say = (text: string) => (quiet ? undefined : out.write(`${text}\n`))
  say(introduction(out, paint))
  const opening = progressLine(out)
  let beside: { close(): Promise<void> } | undefined
  const assembled = await assembleCast({ owner: 'owner', network: 'home', log, ...defined({ storeUrl }) }, step => {
    if (out.isTTY !== true) say(`  opening ${step}`)
    else if (!quiet) opening.show(`  opening ${step}`)
  })
  const cast = {
    ...assembled,
    async close() {
      await beside?.close()
      await assembled.close()
    },
  }
  try {
    opening.end()
    beside = await options.opened?.(cast.stage)
    if (out.isTTY !== true) say('')
    const ladder = liveLadder(out, paint)
    const played = await perform(cast.parts, {
      bound,
      pace,
      ...(signal === undefined ? {} : { signal }),
      isHome: candidate => cast.homes.includes(candidate),
      nameOf: candidate => cast.twins.find(({ origin }) => origin === candidate)?.name ?? candidate,
      show: rows => (quiet ? undefined : ladder.show(rows)),
      recorded: part => recordOf(cast, part),
    })
    signal?.throwIfAborted()
    const outcome = { ...played.outcome, seconds: Math.round(performance.now() - started) / 1000 }
    const ledgers = await verifyLedgers(cast)
    const wrong = [
      ...differences(outcome, expectedOutcome(cast)),
      ...wrongNetworks(cast, played),
      ...brokenLedgers(ledgers),
    ]
    say(`\n${summary(played, paint, columnsOf(out))}\n`)
    const { onboarded, refused, misled, seconds } = outcome
    say(`${onboarded.length} onboarded, ${refused.length} refused, ${misled.length} misled, in ${seconds} s.`)
    if (pace > 0) say(paint('dim', 'Each step was slowed down to be watched: --pace 0 shows it at full speed.'))
    say(`${ledgers.length} ledgers verified, ${ledgers.reduce((sum, { verdict }) => sum + verdict.events, 0)} events.`)
    for (const difference of wrong) say(paint('red', `Not as expected: ${difference}`))
    return { outcome, differences: wrong, cast }
  } catch (error) {
    await cast.close()
    throw error
  }
}

function introduction(out: Stream, paint: Paint): string {
  const text =
    "Mooring: three factories, their voucher services and an owner's site, in this process. Certificates, TLS, Easy Connect " +
    `and ledgers are real; the devices are simulated, with keys in memory, and so is the radio. Each climbs: ` +
    `${rungs.join(', ')}.`
  return `${wrapped(text, columnsOf(out)).join('\n').replace('Mooring', paint('bold', 'Mooring'))}\n`
}

/**
 * Leaves those switched on that wait for a person: one that is approved now comes in. Resolves when the signal aborts or
 * nobody waits any more.
 */
export async function keepWaiting(
  { parts }: Cast,
  { refused }: DemoOutcome,
  signal: AbortSignal,
  connected: (device: string) => void,
): Promise<void> {
  const waiting = parts.filter(({ name }) =>
    refused.some(({ device, code }) => device === name && code === 'device-unexpected'),
  )
  await Promise.all(
    waiting.map(async part => {
      for await (const news of part.play(signal)) {
        if (news.type === 'climbed' && news.rung === 'connected') connected(part.name)
      }
    }),
  )
}

/** The site's own word on a part: of a device in its record, of a stranger among the refusals. */
async function recordOf({ stage }: Cast, part: Part): Promise<Recorded> {
  const { store } = stage.site
  const { claim } = part
  if (claim === undefined) {
    const device = await store.read(tables => tables.device.get(stage.device(part.name)))
    if (device === undefined) return {}
    const { rung, refusal } = device
    return { rung, ...(refusal === undefined ? {} : { code: refusal.code }) }
  }
  for (let cursor = {}; ; ) {
    const page = await store.feed(cursor, 1000)
    if (page.events.length === 0) return {}
    const refusal = page.events.find(
      ({ kind, body }) => kind === 'stranger-refused' && JSON.stringify(body).includes(claim),
    )
    if (refusal !== undefined) return { code: refusal.body['code'] as ErrorCode }
    cursor = page.cursor
  }
}

function expectedOutcome({ parts, twins }: Cast): ExpectedOutcome {
  return {
    onboarded: parts.filter(({ expected }) => expected.outcome === 'onboarded').map(({ name }) => name),
    refused: [
      ...parts.flatMap(({ name, expected }) =>
        expected.outcome === 'refused' ? [{ device: name, code: expected.code }] : [],
      ),
      ...twins.flatMap(({ name, expected }) => expected.map(({ code }) => ({ device: name, code }))),
    ],
    misled: parts.flatMap(({ name, expected }) =>
      expected.outcome === 'misled' ? [{ device: name, network: expected.network }] : [],
    ),
  }
}

function wrongNetworks({ twins }: Cast, { networks }: Performance): string[] {
  return twins.flatMap(({ name, expected }) =>
    expected
      .filter(({ device }) => !networks.some(each => each.network === name && each.device === device))
      .map(({ device }) => `${device} did not refuse the ${name}`),
  )
}

interface LedgerResult {
  readonly party: string
  readonly verdict: LedgerVerdict
}

/** Each party takes its own checkpoint as anchor: here the record and its anchor are in one hand, and say so. */
async function verifyLedgers({ stage }: Cast): Promise<LedgerResult[]> {
  const parties = [
    { party: 'site', store: stage.site.store },
    ...stage.makers.map(({ name, site }) => ({ party: name, store: site.store })),
  ]
  return Promise.all(
    parties.map(async ({ party, store }) => ({ party, verdict: await store.verify(await store.checkpoint()) })),
  )
}

function brokenLedgers(ledgers: readonly LedgerResult[]): string[] {
  return ledgers.flatMap(({ party, verdict: { integrity, completeness } }) =>
    integrity === 'pass' && completeness === 'pass'
      ? []
      : [`ledger of ${party}: integrity ${integrity}, completeness ${completeness}`],
  )
}

function summary({ rows, networks }: Performance, paint: Paint, columns: number): string {
  const refusals = [
    ...rows.flatMap(({ name, rung, refusal, waiting }) =>
      refusal === undefined || rung === 'connected'
        ? []
        : [{ who: name, by: waiting ? 'site, for now' : 'site', code: refusal }],
    ),
    ...networks.map(({ network, device, code }) => ({ who: network, by: device, code })),
  ]
  const connected = (lamps: boolean) =>
    rows.filter(({ rung, model }) => rung === 'connected' && isLamp(model) === lamps)
  const text = table<(typeof refusals)[number]>(
    refusals,
    [
      { title: 'refused', of: ({ who }) => who },
      { title: 'by', of: ({ by }) => by },
      { title: 'code', of: ({ code }) => code },
      { title: 'why', of: ({ code }) => errorCatalogue[code].title, flexible: true },
    ],
    columns,
  )
  const proof =
    `${connected(false).length} devices have a credential of their own and have shown it over mutual TLS, ` +
    `${connected(true).length} lamps one that a (simulated) access point has taken.`
  return [paint('green', wrapped(proof, columns).join('\n')), text, wrapped(plainWords(rows), columns).join('\n')].join(
    '\n\n',
  )
}

function isLamp(model: string): boolean {
  return model === lumenLamp.name
}

/** What Easy Connect alone cannot do, and what does it. */
function plainWords(rows: Performance['rows']): string {
  const misled = rows.filter(row => row.misled !== undefined).map(({ name }) => name)
  return (
    `Why ${misled.join(', ') || 'a lamp'} could be misled: in Wi-Fi Easy Connect with one-way authentication a device believes ` +
    'whoever knows its code, and a photograph of the label is enough. Nothing in the protocol prevents that. The other lamps ' +
    'were not misled: one had scanned the code of its owner’s Configurator (mutual authentication), the others take only a ' +
    'network that the declaration signed by their manufacturer names. A code is no secret that protects; treat it as a key ' +
    'to the box all the same.'
  )
}
