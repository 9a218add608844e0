/**
 * What a gateway does about who is on its ports: pure. It knows the stations that its authenticator has let in and the
 * sessions that the site has granted, and puts into a segment only who is in both. White paper 6.4.3 to 6.4.6.
 */

/** One stay that the site has granted at this gateway. */
export interface GrantedSession {
  readonly id: string
  /** MAC address, lower case with colons. */
  readonly station: string
  readonly device: string
  readonly segment?: string
  /** When it was last heard of, milliseconds: of two under one MAC address the later one counts. */
  readonly seenAt: number
  /** Until when the site's word counts when it cannot be asked, milliseconds. */
  readonly until: number
}

export interface State {
  /** MAC addresses that the authenticator calls authorized. */
  readonly stations: ReadonlySet<string>
  /** By MAC address; as the site said last. */
  readonly sessions: ReadonlyMap<string, GrantedSession>
  /** What the fence has been told: MAC address to segment. */
  readonly inside: ReadonlyMap<string, string>
}

export type Input =
  | { readonly kind: 'station-authorized'; readonly station: string }
  | { readonly kind: 'station-gone'; readonly station: string }
  /** All that the site grants here now. */
  | { readonly kind: 'sessions-listed'; readonly sessions: readonly GrantedSession[] }
  | { readonly kind: 'time-passed' }

export type Effect =
  /** Ask the site for its sessions: a station came that none of the known ones explains. */
  | { readonly kind: 'ask-site' }
  | { readonly kind: 'admit'; readonly station: string; readonly segment: string }
  /** Out of its segment, and its connections with it. */
  | { readonly kind: 'expel'; readonly station: string; readonly reason: ExpelReason }
  /** The authenticator still calls it authorized, and the site does not. */
  | { readonly kind: 'deauthenticate'; readonly station: string }

export type ExpelReason = 'left' | 'not-granted' | 'moved' | 'site-away'

export const initial: State = { stations: new Set(), sessions: new Map(), inside: new Map() }

/** Where a session without a segment belongs. */
export const defaultSegment = 'default'

export function step(
  state: State,
  input: Input,
  now: number,
): { readonly state: State; readonly effects: readonly Effect[] } {
  switch (input.kind) {
    case 'station-authorized': {
      const next = { ...state, stations: new Set(state.stations).add(input.station) }
      const known = inForce(state.sessions.get(input.station), now)
      // An authentication again may have brought another segment, so the site is asked in any case.
      const settled = known === undefined ? { state: next, effects: [] } : settle(next, now)
      return { state: settled.state, effects: [...settled.effects, { kind: 'ask-site' }] }
    }
    case 'station-gone': {
      const stations = new Set(state.stations)
      stations.delete(input.station)
      return settle({ ...state, stations }, now)
    }
    case 'sessions-listed': {
      const sessions = new Map<string, GrantedSession>()
      for (const session of input.sessions) {
        // A MAC address proves nobody: what another device was granted under it must not open its segment.
        const other = sessions.get(session.station)
        if (other === undefined || other.seenAt < session.seenAt) sessions.set(session.station, session)
      }
      return settle({ ...state, sessions }, now)
    }
    case 'time-passed':
      return settle(state, now)
  }
}

function inForce(session: GrantedSession | undefined, now: number): GrantedSession | undefined {
  return session !== undefined && now < session.until ? session : undefined
}

/** Makes the fence agree with what is known; who is to be put out goes first. */
function settle(state: State, now: number): { readonly state: State; readonly effects: readonly Effect[] } {
  const out: Effect[] = []
  const into: Effect[] = []
  const inside = new Map(state.inside)
  for (const [station, segment] of state.inside) {
    const session = inForce(state.sessions.get(station), now)
    const wanted = session && (session.segment ?? defaultSegment)
    if (state.stations.has(station) && wanted === segment) continue
    inside.delete(station)
    const reason = expelReason(state, station, now)
    out.push({ kind: 'expel', station, reason })
    // Its port stays open otherwise, and it would believe itself on the network.
    if (reason === 'not-granted') out.push({ kind: 'deauthenticate', station })
  }
  for (const station of state.stations) {
    const session = inForce(state.sessions.get(station), now)
    if (session === undefined || inside.has(station)) continue
    const segment = session.segment ?? defaultSegment
    inside.set(station, segment)
    into.push({ kind: 'admit', station, segment })
  }
  return { state: { ...state, inside }, effects: [...out, ...into] }
}

function expelReason({ stations, sessions }: State, station: string, now: number): ExpelReason {
  if (!stations.has(station)) return 'left'
  const session = sessions.get(station)
  if (session === undefined) return 'not-granted'
  return inForce(session, now) === undefined ? 'site-away' : 'moved'
}
