import { lstat, readdir, readFile, stat, statfs } from 'node:fs/promises'
import { request } from 'node:https'
import { connect } from 'node:net'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { probeMasa } from '../../adapter/http/masa-probe.ts'
import { encodePem } from '../../codec/pem.ts'

/** A file or directory as the system describes it. */
export interface FileFacts {
  readonly path: string
  readonly kind: 'file' | 'directory' | 'link' | 'other'
  /** The nine bits of permission. */
  readonly mode: number
  readonly owner: number
  readonly bytes: number
  readonly modifiedAt: number
}

/** The machine, as far as a doctor looks at it. Tests give another one. */
export interface Host {
  readonly nodeVersion: string
  /** Of this process; undefined where the system has no such thing. */
  readonly user: number | undefined
  /** Undefined when there is nothing. */
  file(path: string): Promise<FileFacts | undefined>
  /** What lies in a directory; empty when it is not there. */
  directory(path: string): Promise<readonly FileFacts[]>
  /** Undefined when it is not there or beyond 64 KiB. */
  text(path: string): Promise<string | undefined>
  /** Octets that this user may still write where `path` is, and all there are. */
  disk(path: string): Promise<{ readonly free: number; readonly total: number }>
  /** Number of the process that holds a lock on this file, where the system tells. */
  lockHolder(path: string): Promise<number | undefined>
  /** Whether a MASA answers, by the rules of onboarding; see `probeMasa`. */
  masa: typeof probeMasa
  /** One POST over plain HTTP, of what is signed in itself. */
  post(url: string, body: Uint8Array, type: string): Promise<{ readonly status: number; readonly body: Buffer }>
  /** One GET over TLS, whose server has to stand below `root`; under whatever name it was reached. */
  get(place: {
    readonly host: string
    readonly port: number
    readonly path: string
    readonly root: Uint8Array
  }): Promise<{ readonly status: number; readonly body: Buffer; readonly certificate: Buffer }>
  /** Connects to a port, and says nothing. Rejects when nobody is there. */
  reach(host: string, port: number): Promise<void>
}

const patience = 5000
const maxBytes = 0x40_0000

export const thisHost: Host = {
  nodeVersion: process.versions.node,
  user: process.geteuid?.(),
  file: path => absentIsUndefined(factsOf(path)),
  async directory(path) {
    const names = (await absentIsUndefined(readdir(path))) ?? []
    const found = await Promise.all(names.map(name => absentIsUndefined(factsOf(join(path, name)))))
    return found.filter(each => each !== undefined)
  },
  async text(path) {
    const facts = await absentIsUndefined(stat(path))
    return facts?.isFile() === true && facts.size <= 0x1_0000 ? absentIsUndefined(readFile(path, 'utf8')) : undefined
  },
  async disk(path) {
    const { bavail, blocks, bsize } = await statfs(path)
    return { free: bavail * bsize, total: blocks * bsize }
  },
  lockHolder,
  masa: probeMasa,
  async post(url, body, type) {
    const signal = AbortSignal.timeout(patience)
    const headers = { 'content-type': type }
    const sent = Buffer.from(body)
    const answer = await fetch(url, { method: 'POST', body: sent, headers, signal, redirect: 'manual' })
    return { status: answer.status, body: await collect(Readable.from(answer.body ?? [])) }
  },
  reach: (host, port) =>
    new Promise((resolve, reject) => {
      const socket = connect({ host, port, timeout: patience })
      socket.once('connect', () => {
        socket.destroy()
        resolve()
      })
      socket.once('timeout', () => socket.destroy(new Error('no answer in time')))
      socket.once('error', reject)
    }),
  get: ({ host, port, path, root }) =>
    new Promise((resolve, reject) => {
      const asked = request({
        host,
        port,
        path,
        ca: encodePem('CERTIFICATE', root),
        // It stands below our own root; its name is what it is called elsewhere, and we came by an address.
        checkServerIdentity: () => undefined,
        agent: false,
        signal: AbortSignal.timeout(patience),
      })
      asked.on('error', reject)
      asked.on('response', answer => {
        const certificate = (answer.socket as unknown as { getPeerCertificate(): { raw: Buffer } }).getPeerCertificate()
        collect(answer).then(
          body => resolve({ status: answer.statusCode ?? 0, body, certificate: certificate.raw }),
          reject,
        )
      })
      asked.end()
    }),
}

async function collect(answer: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of answer) {
    length += chunk.length
    if (length > maxBytes) throw new Error('the answer has no end')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

async function factsOf(path: string): Promise<FileFacts> {
  const facts = await lstat(path)
  const kinds = [
    ['file', facts.isFile()],
    ['directory', facts.isDirectory()],
    ['link', facts.isSymbolicLink()],
  ] as const
  const kind = kinds.find(([, is]) => is)?.[0] ?? 'other'
  return { path, kind, mode: facts.mode & 0o777, owner: facts.uid, bytes: facts.size, modifiedAt: facts.mtimeMs }
}

async function absentIsUndefined<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    throw error
  }
}

/** Linux says in /proc/locks which process holds what, by inode. */
async function lockHolder(path: string): Promise<number | undefined> {
  try {
    const { ino } = await stat(path)
    const lines = (await readFile('/proc/locks', 'utf8')).split('\n')
    const held = lines.map(line => line.trim().split(/\s+/)).find(words => words[5]?.endsWith(`:${ino}`) === true)
    const number = Number(held?.[4])
    return number > 0 ? number : undefined
  } catch {
    return undefined
  }
}
