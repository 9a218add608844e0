/** What the lab can show, in the order in which `all` runs it; a file guest/scenario/NAME.sh each. */
export const scenarios = {
  'access-point': 'an access point is enrolled over TCP, and only if it is expected',
  'relay-chirp': 'a station announces itself, the access point relays, AKM DPP',
  'psk-sae': 'a secret and a segment for each device, psk and sae',
  dot1x: 'a CSR through the relay, EAP-TLS, a segment by RADIUS',
  mutual: 'the station has scanned the code of the Controller and begins',
  pkex: 'a code instead of a bootstrapping key',
  reconfiguration: 'a station comes back for a new Connector',
  revocation: 'a revoked device is refused, another one stays',
  'wrong-key': 'keys that are not the expected ones',
  'evil-twin': 'a photographed code: what stops it, and what does not',
} as const satisfies Readonly<Record<string, string>>

export type ScenarioName = keyof typeof scenarios

export const scenarioNames = Object.keys(scenarios) as readonly ScenarioName[]

export function isScenario(name: string): name is ScenarioName {
  return Object.hasOwn(scenarios, name)
}

export interface Rung {
  /** Since the scenario began, by the clock of the guest. */
  readonly seconds: number
  readonly step: string
}

export interface ScenarioReport {
  readonly scenario: string
  readonly result: 'pass' | 'fail' | 'skip'
  /** Why it failed or was skipped. */
  readonly reason?: string
  readonly seconds: number
  readonly ladder: readonly Rung[]
}

/** What the guest tells, a line each: ready SECONDS, begin NAME, step SECONDS TEXT, end NAME VERDICT SECONDS REASON, over; tabs between. */
export type GuestLine =
  /** The Controller listens; seconds since the guest was switched on. */
  | { readonly kind: 'ready'; readonly seconds: number }
  | { readonly kind: 'begun'; readonly scenario: string }
  | { readonly kind: 'stepped'; readonly rung: Rung }
  | { readonly kind: 'ended'; readonly scenario: string; readonly end: Omit<ScenarioReport, 'scenario' | 'ladder'> }
  | { readonly kind: 'over' }

/** `undefined` for a line that is none of these. */
export function readGuestLine(line: string): GuestLine | undefined {
  const [word, ...rest] = line.trim().split('\t')
  if (word === 'over') return { kind: 'over' }
  if (word === 'ready' && rest[0] !== undefined) return { kind: 'ready', seconds: Number(rest[0]) }
  if (word === 'begin' && rest[0] !== undefined) return { kind: 'begun', scenario: rest[0] }
  if (word === 'step') {
    const [seconds, step] = rest
    if (step === undefined || !Number.isFinite(Number(seconds))) return undefined
    return { kind: 'stepped', rung: { seconds: Number(seconds), step } }
  }
  if (word !== 'end') return undefined
  const [scenario, result, seconds, reason] = rest
  if (scenario === undefined || (result !== 'pass' && result !== 'fail' && result !== 'skip')) return undefined
  return {
    kind: 'ended',
    scenario,
    end: { result, ...(reason ? { reason } : {}), seconds: Number(seconds) },
  }
}

/**
 * Collects what a guest tells. What it began and never ended, and what it never began although it was asked, has failed:
 * a guest that dies cannot pass.
 */
export class ReportCollector {
  readonly #asked: readonly string[]
  readonly #reports = new Map<string, ScenarioReport>()
  #current: { readonly scenario: string; readonly ladder: Rung[] } | undefined

  constructor(asked: readonly string[]) {
    this.#asked = asked
  }

  take(line: GuestLine): void {
    if (line.kind === 'begun') this.#current = { scenario: line.scenario, ladder: [] }
    else if (line.kind === 'stepped') this.#current?.ladder.push(line.rung)
    else if (line.kind === 'ended' && this.#current?.scenario === line.scenario) {
      this.#reports.set(line.scenario, { scenario: line.scenario, ...line.end, ladder: this.#current.ladder })
      this.#current = undefined
    }
  }

  conclude(died: string): readonly ScenarioReport[] {
    return this.#asked.map(scenario => {
      const report = this.#reports.get(scenario)
      if (report !== undefined) return report
      const { ladder = [] } = this.#current?.scenario === scenario ? this.#current : {}
      return { scenario, result: 'fail', reason: died, seconds: ladder.at(-1)?.seconds ?? 0, ladder }
    })
  }
}
