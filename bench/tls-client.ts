/**
 * The clients of bench/tls.ts, in a process of their own so that their work is not counted. Told over the channel of
 * child_process.fork what to do, answers when it is done.
 */
import { connect, createSecureContext } from 'node:tls'
import { dial } from '../lab/all-in-one/wire.ts'

export interface Task {
  readonly port: number
  /** PEM. */
  readonly key: string
  readonly cert: string
  readonly version: 'TLSv1.2' | 'TLSv1.3'
  /** `handshakes`: and nothing else; `connections`: with one request each; `requests`: over connections that stay. */
  readonly what: 'handshakes' | 'connections' | 'requests'
  readonly count: number
  readonly concurrency: number
}

const body = Buffer.alloc(1500, 7)

async function perform({ port, key, cert, version, what, count, concurrency }: Task): Promise<void> {
  const versions = { minVersion: version, maxVersion: version } as const
  const secureContext = createSecureContext({ key, cert, ecdhCurve: 'P-256', ...versions })
  const tasks = Array.from({ length: count }).values()
  const ask = (wire: Awaited<ReturnType<typeof dial>>) => wire.ask('POST', '/', 'application/octet-stream', body)
  const handshake = () =>
    new Promise<void>((resolve, reject) => {
      const socket = connect({ host: '127.0.0.1', port, secureContext, rejectUnauthorized: false })
      socket.on('error', reject).on('close', () => resolve())
      socket.resume()
    })
  const work = async () => {
    const kept = what === 'requests' ? await dial(port, secureContext) : undefined
    for (const _ of tasks) {
      if (what === 'handshakes') {
        await handshake()
        continue
      }
      const wire = kept ?? (await dial(port, secureContext))
      const { status } = await ask(wire)
      if (status !== 200) throw new Error(`status ${status}`)
      if (kept === undefined) wire.close()
    }
    kept?.close()
  }
  await Promise.all(Array.from({ length: concurrency }, work))
}

process.on('message', (task: Task) => {
  perform(task).then(
    () => process.send?.('done'),
    error => process.send?.(String(error)),
  )
})
process.on('disconnect', () => process.exit())
