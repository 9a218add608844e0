import { Worker } from 'node:worker_threads'
import { OnboardingError } from '../../domain/error.ts'
import { inspectPicture } from './picture.ts'
import type { QrCodeAnswer } from './qr-code-worker.ts'

export interface QrCodeReader {
  /**
   * Texts of the QR codes in a PNG or JPEG, 16 at most. Throws OnboardingError `picture-unreadable`, `too-many-pictures`.
   */
  read(picture: Uint8Array): Promise<readonly string[]>
}

/** How long one picture may take, milliseconds, and how many may wait. */
const limits = { time: 15_000, waiting: 4 } as const

// In a package it is JavaScript.
const worker = new URL(`./qr-code-worker${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url)

/** One picture at a time, each in a thread that ends with it: a decoder is no place for a site's keys. */
export function createQrCodeReader(): QrCodeReader {
  let last: Promise<unknown> = Promise.resolve()
  let waiting = 0
  return {
    async read(picture) {
      const copy = Buffer.from(picture)
      if (waiting >= limits.waiting) throw new OnboardingError('too-many-pictures', { waiting })
      inspectPicture(copy)
      waiting++
      const turn = last.then(() => readNow(copy))
      last = turn.catch(() => {})
      try {
        return await turn
      } finally {
        waiting--
      }
    },
  }
}

async function readNow(picture: Buffer): Promise<readonly string[]> {
  // Nothing of this process: no environment, no arguments, no output.
  const thread = new Worker(worker, { workerData: { picture }, env: {}, argv: [], stdout: true, stderr: true })
  let timer: NodeJS.Timeout | undefined
  try {
    return await new Promise<readonly string[]>((resolve, reject) => {
      const fail = (reason: string, cause?: unknown) =>
        reject(new OnboardingError('picture-unreadable', { reason }, { cause }))
      thread.once('message', ({ texts, reason }: QrCodeAnswer) => (texts ? resolve(texts) : fail(reason ?? 'unknown')))
      thread.once('error', cause => fail('it cannot be decoded', cause))
      thread.once('exit', () => fail('it cannot be decoded'))
      timer = setTimeout(() => fail('it takes too long to decode'), limits.time)
    })
  } finally {
    clearTimeout(timer)
    await thread.terminate()
  }
}
