import { createServer } from 'node:net'

/** A TCP port of `host` that nobody listens on now. Whoever wants it should be quick: it is not kept. */
export async function freePort(host: string): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, host, resolve)
  })
  const address = server.address()
  await new Promise<void>(resolve => server.close(() => resolve()))
  if (address === null || typeof address === 'string') throw new TypeError('a TCP port has a number')
  return address.port
}
