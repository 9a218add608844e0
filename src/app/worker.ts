import type { Log } from '../domain/port.ts'

/** Work that follows commits: done when it is asked for, and looked for by itself. */
export interface Worker {
  /** There may be something to do. Returns at once. */
  wake(): void
  /** Waits for what is under way. */
  close(): Promise<void>
}

/**
 * Runs `work`, never twice at a time, when it is woken and every `every` milliseconds: what another process left when it
 * died is nobody's to announce. `work` does all that is due.
 */
export function startWorker(options: {
  readonly name: string
  readonly work: () => Promise<void>
  readonly every: number
  readonly log: Log
}): Worker {
  const { name, work, every, log } = options
  let running: Promise<void> | undefined
  let asked = false
  let closed = false
  const run = async () => {
    while (asked && !closed) {
      asked = false
      try {
        await work()
      } catch (error) {
        log.error({ worker: name, error }, 'work in the background failed')
      }
    }
    running = undefined
  }
  const wake = () => {
    asked = true
    if (!closed) running ??= run()
  }
  const timer = setInterval(wake, every)
  timer.unref()
  wake()
  return {
    wake,
    async close() {
      closed = true
      clearInterval(timer)
      await running
    },
  }
}
