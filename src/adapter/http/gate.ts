/**
 * Lets so many through at a time for each key, the others in the order in which they came. (An http.Agent does not count
 * connections that are being opened, so its own limits hold only for those that are open.)
 */
export class Gate {
  readonly #limit: number
  readonly #inside = new Map<string, { count: number; readonly waiting: Set<() => void> }>()

  constructor(limit: number) {
    this.#limit = limit
  }

  /** Rejects with the reason of the signal when it aborts while the caller waits. */
  async through<T>(key: string, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    await this.#enter(key, signal)
    try {
      return await work()
    } finally {
      this.#leave(key)
    }
  }

  #enter(key: string, signal: AbortSignal): Promise<void> {
    let place = this.#inside.get(key)
    if (place === undefined) {
      place = { count: 0, waiting: new Set() }
      this.#inside.set(key, place)
    }
    if (place.count < this.#limit) {
      place.count++
      return Promise.resolve()
    }
    const { waiting } = place
    return new Promise((resolve, reject) => {
      const abort = () => {
        waiting.delete(admit)
        reject(signal.reason)
      }
      const admit = () => {
        signal.removeEventListener('abort', abort)
        resolve()
      }
      waiting.add(admit)
      if (signal.aborted) abort()
      else signal.addEventListener('abort', abort, { once: true })
    })
  }

  #leave(key: string): void {
    const place = this.#inside.get(key)!
    const [next] = place.waiting
    if (next !== undefined) {
      place.waiting.delete(next)
      // The place changes hands.
      next()
    } else if (--place.count === 0) {
      this.#inside.delete(key)
    }
  }
}
