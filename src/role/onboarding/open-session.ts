import { placeOf } from '../../domain/device-hold.ts'
import type { Store } from '../../domain/port.ts'
import type { ConfiguratorSession } from './configurator-session.ts'

/** A session whose Initiator was told to wait, and how it calls itself. */
export interface AwaitingSession {
  readonly session: ConfiguratorSession
  readonly keyHash: string
}

/**
 * The onboardings that are under way, by device and not by socket: a device that chirps again comes on a new connection.
 * All are bounded, and what nobody has proven anything in is bounded most.
 */
export interface OpenSessions {
  readonly size: number
  add(session: ConfiguratorSession): void
  remove(session: ConfiguratorSession): void
  /** The one that waits for an answer of this device. */
  asking(key: string): ConfiguratorSession | undefined
  /** A device that asks for reconfiguration under this E-id, and has not answered yet. */
  returning(identity: string): ConfiguratorSession | undefined
  /**
   * Ends the oldest that has proven nothing where there are too many, of this device or of all: an exchange takes a second, and
   * what is older is not going on. Whoever comes from one host makes room there first.
   */
  makeRoom(key: string, address: string): void
  /** Whether one more stranger from there may wait for a person. */
  mayWait(address: string): boolean
  /** @param device of the key, where it is on record and the device waits for a person */
  await(session: ConfiguratorSession, keyHash: string, device?: string): void
  waiting(): readonly { readonly keyHash: string; readonly address: string }[]
  /** This one has proven its key; what else claimed to be the same device is over. */
  won(session: ConfiguratorSession): void
  /** Resolves when what the sessions have heard is on record. */
  close(): Promise<void>
}

const most = {
  /** Before authentication: each costs its beginner a connection and us two multiplications. */
  halfOpen: 512,
  /** Of one device: copies of its chirp may come from elsewhere, and must not keep it out. */
  ofDevice: 16,
  /** Of strangers, who wait for a person. */
  waiting: 64,
  waitingOfPlace: 8,
} as const

export function createOpenSessions(
  store: Store,
  onScanned: (awaiting: AwaitingSession) => Promise<void>,
): OpenSessions {
  const all = new Set<ConfiguratorSession>()
  const awaiting = new Map<ConfiguratorSession, { readonly keyHash: string; readonly device: string | undefined }>()
  let stopListening: (() => void) | undefined
  let onEmpty: (() => void) | undefined

  const ofKey = (key: string) => [...all].filter(session => session.key?.id === key || session.identity === key)
  // In the order in which they began.
  const halfOpen = () => [...all].filter(session => session.halfOpen)

  /** What people decide meanwhile: only while somebody waits for it. */
  function listen(): void {
    stopListening ??= store.onCommit(
      events => {
        // Looked up for those alone whom it concerns: strangers who wait must cost nothing.
        for (const [session, { keyHash, device }] of awaiting) {
          const concerned = events.some(({ kind, stream, body }) =>
            kind === 'bootstrapping-key-added' ? body['key'] === keyHash : stream === `device/${device}`,
          )
          if (concerned) void onScanned({ session, keyHash })
        }
      },
      ['device'],
    )
  }

  function unlisten(): void {
    if (awaiting.size > 0) return
    stopListening?.()
    stopListening = undefined
  }

  function remove(session: ConfiguratorSession): void {
    all.delete(session)
    awaiting.delete(session)
    unlisten()
    if (all.size === 0) onEmpty?.()
  }

  return {
    get size() {
      return all.size
    },
    add: session => void all.add(session),
    remove,
    asking: key => ofKey(key).find(session => session.asking),
    returning: identity => [...all].find(session => session.asking && session.identity === identity),
    makeRoom(key, address) {
      const place = placeOf(address)
      const oldest = (open: readonly ConfiguratorSession[]) =>
        open.find(session => placeOf(session.address) === place) ?? open[0]
      const ofDevice = ofKey(key).filter(session => session.halfOpen)
      if (ofDevice.length >= most.ofDevice) oldest(ofDevice)?.end()
      const open = halfOpen()
      if (open.length >= most.halfOpen) oldest(open)?.end()
    },
    mayWait(address) {
      const place = placeOf(address)
      const ofPlace = [...awaiting.keys()].filter(session => placeOf(session.address) === place)
      return awaiting.size < most.waiting && ofPlace.length < most.waitingOfPlace
    },
    await(session, keyHash, device) {
      if (!all.has(session)) return
      awaiting.set(session, { keyHash, device })
      listen()
      // It may have been scanned in this very moment.
      void onScanned({ session, keyHash })
    },
    waiting: () => [...awaiting].map(([{ address }, { keyHash }]) => ({ keyHash, address })),
    won(session) {
      awaiting.delete(session)
      unlisten()
      const key = session.key?.id
      if (key === undefined) return
      for (const other of ofKey(key)) if (other !== session && other.halfOpen) other.end()
    },
    async close() {
      awaiting.clear()
      unlisten()
      for (const session of [...all]) session.end()
      if (all.size === 0) return
      await new Promise<void>(resolve => {
        onEmpty = resolve
      })
    },
  }
}
