import { placeOf } from '../../domain/device-hold.ts'
import type { DppConnection } from './configurator-port.ts'

/** A device on the air may be heard by several access points; each has its connection, and a few while it repeats itself. */
const most = { ofPlace: 3, all: 12 } as const

/**
 * The connections of one session before anybody has proven to be the device. A copy of its code, or of what it sends, is enough
 * to be among them: so nobody crowds out who comes from elsewhere, and who talks nonsense loses nothing but its own connection.
 */
export class SessionConnections {
  /** The newest last: that is where the device is heard now. */
  #all: DppConnection[]

  constructor(first: DppConnection) {
    this.#all = [first]
  }

  get size(): number {
    return this.#all.length
  }

  get newest(): DppConnection | undefined {
    return this.#all.at(-1)
  }

  has(connection: DppConnection): boolean {
    return this.#all.includes(connection)
  }

  /** One more; where there are too many, the oldest of the place with the most goes. */
  add(connection: DppConnection): void {
    const place = placeOf(connection.address)
    const ofPlace = this.#all.filter(({ address }) => placeOf(address) === place)
    if (ofPlace.length >= most.ofPlace) this.drop(ofPlace[0]!)
    else if (this.#all.length >= most.all) this.drop(oldestOfCrowd(this.#all)!)
    this.#all.push(connection)
  }

  /** The device was heard there last. */
  prefer(connection: DppConnection): void {
    if (this.newest === connection) return
    this.#all = [...this.#all.filter(each => each !== connection), connection]
  }

  /** It is gone. */
  forget(connection: DppConnection): void {
    this.#all = this.#all.filter(each => each !== connection)
  }

  drop(connection: DppConnection): void {
    this.forget(connection)
    connection.close()
  }

  /** This one is the device's; the others are of no use any more. */
  keep(connection: DppConnection): void {
    for (const other of this.#all) if (other !== connection) other.close()
    this.#all = [connection]
  }

  close(): void {
    for (const connection of this.#all) connection.close()
    this.#all = []
  }
}

/** Of those who come from the place that most of them come from, the first. */
function oldestOfCrowd(all: readonly DppConnection[]): DppConnection | undefined {
  const counts = new Map<string, number>()
  for (const { address } of all) counts.set(placeOf(address), (counts.get(placeOf(address)) ?? 0) + 1)
  const largest = Math.max(...counts.values())
  return all.find(({ address }) => counts.get(placeOf(address)) === largest)
}
