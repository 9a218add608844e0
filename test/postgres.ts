import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { accessSync, chownSync, constants, existsSync, mkdtempSync, readdirSync, statfsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import postgres from 'postgres'
import { peer } from './peer.ts'
import type { StorePlace } from './store.ts'

/**
 * A PostgreSQL of our own, in a temporary directory, that ends with this process however this process ends.
 * With `MOORING_TEST_POSTGRES=postgres://…` the server named there is used instead, with fresh databases.
 */
export interface PostgresServer {
  /** Of its administrative database. */
  readonly url: string
  /** A new, empty database. */
  readonly place: () => Promise<StorePlace>
  /** Ends the server as a power failure of its machine would. */
  readonly fall: () => Promise<void>
  /** Starts it again, where it was. */
  readonly rise: () => Promise<void>
  /** Both. */
  readonly restart: () => Promise<void>
  readonly stop: () => Promise<void>
}

/** Where the server's programs are; undefined when this machine has none. Throws then under MOORING_REQUIRE_PEERS=1. */
export function postgresPrograms(): string | undefined {
  const debian = '/usr/lib/postgresql'
  const versions = existsSync(debian) ? readdirSync(debian).sort((a, b) => Number(b) - Number(a)) : []
  const found = versions.map(version => join(debian, version, 'bin')).find(bin => existsSync(join(bin, 'initdb')))
  return found ?? peer('initdb')?.replace(/\/initdb$/, '')
}

/** Options of a test that needs the server. */
export function needsPostgres(): { skip: string | false } {
  if (process.env['MOORING_TEST_POSTGRES'] !== undefined) return { skip: false }
  return { skip: postgresPrograms() === undefined && 'needs PostgreSQL' }
}

export interface ServerOptions {
  /** Never the server of `MOORING_TEST_POSTGRES`: the test stops and restarts it. */
  readonly own?: boolean
  /** Whether a commit reaches the disk. Off unless the test is about that: it survives a killed client either way. */
  readonly fsync?: boolean
}

export async function startPostgres(options: ServerOptions = {}): Promise<PostgresServer> {
  const given = process.env['MOORING_TEST_POSTGRES']
  if (given !== undefined && options.own !== true) {
    const refuse = async () => {
      throw new Error('MOORING_TEST_POSTGRES is not ours to restart')
    }
    return { url: given, place: freshPlace(given), fall: refuse, rise: refuse, restart: refuse, stop: async () => {} }
  }
  const bin = postgresPrograms()
  if (bin === undefined) throw new Error('PostgreSQL is not installed')
  const user = serverUser()
  const directory = mkdtempSync(join(options.fsync === true ? tmpdir() : quickPlace(), 'mooring-postgres-'))
  if (user !== undefined) chownSync(directory, user.uid, user.gid)
  const data = join(directory, 'data')
  execFileSync(
    join(bin, 'initdb'),
    ['-D', data, '-U', 'mooring', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync'],
    {
      cwd: directory,
      stdio: 'ignore',
      ...user,
    },
  )
  const settings = [
    "listen_addresses=''",
    `unix_socket_directories='${directory}'`,
    `fsync=${options.fsync === true ? 'on' : 'off'}`,
    // Databases live for a test: nothing is worth cleaning up.
    'autovacuum=off',
    'max_connections=200',
    'log_min_messages=fatal',
  ]
  const flags = settings.map(setting => `-c ${setting}`).join(' ')
  const guardian = await guard(bin, directory, flags, user)
  const control = async (...args: string[]) => {
    const options = { cwd: directory, stdio: 'ignore', ...user } as const
    const child = spawn(join(bin, 'pg_ctl'), ['-D', data, '-w', ...args], options)
    const [code] = (await once(child, 'exit')) as [number | null]
    if (code !== 0) throw new Error(`pg_ctl ${args.join(' ')} failed`)
  }
  const fall = () => control('-m', 'immediate', 'stop')
  const rise = () => control('-l', join(directory, 'log'), '-o', flags, 'start')
  const url = `postgres:///postgres?host=${directory}&user=mooring`
  return {
    url,
    place: freshPlace(url),
    fall,
    rise,
    async restart() {
      await fall()
      await rise()
    },
    stop: () => release(guardian),
  }
}

/** Memory, where there is room: a new database is a thousand files, and takes half a second on a disk. */
function quickPlace(): string {
  const memory = '/dev/shm'
  try {
    accessSync(memory, constants.W_OK)
    const { bavail, bsize } = statfsSync(memory)
    return bavail * bsize > 2 ** 31 ? memory : tmpdir()
  } catch {
    return tmpdir()
  }
}

/** initdb and the server refuse to run as root. */
function serverUser(): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined
  const id = (option: string) => Number(execFileSync('id', [option, 'postgres'], { encoding: 'utf8' }))
  return { uid: id('-u'), gid: id('-g') }
}

/** A shell that keeps the server for as long as its standard input, our end of a pipe, is open. */
async function guard(
  bin: string,
  directory: string,
  flags: string,
  user: { uid: number; gid: number } | undefined,
): Promise<ChildProcess> {
  const script = `
    trap '' INT TERM
    "$0"/pg_ctl -D "$1"/data -l "$1"/log -o "$2" -w start >/dev/null && echo ready || echo failed
    cat >/dev/null
    "$0"/pg_ctl -D "$1"/data -m immediate stop >/dev/null
    cd / && rm -rf "$1"`
  const guardian = spawn('sh', ['-c', script, bin, directory, flags], {
    cwd: directory,
    stdio: ['pipe', 'pipe', 'ignore'],
    detached: true,
    ...user,
  })
  const [word] = (await once(guardian.stdout, 'data')) as [Buffer]
  if (!word.toString().includes('ready')) throw new Error('PostgreSQL did not start')
  // The guardian outlives us by a moment; it must not keep us.
  guardian.unref()
  for (const stream of [guardian.stdin, guardian.stdout]) (stream as unknown as { unref(): void }).unref()
  return guardian
}

async function release(guardian: ChildProcess): Promise<void> {
  guardian.ref()
  guardian.stdin?.end()
  if (guardian.exitCode === null) await once(guardian, 'exit')
}

function freshPlace(url: string): () => Promise<StorePlace> {
  return async () => {
    const name = `mooring_${randomBytes(6).toString('hex')}`
    await administer(url, `create database ${name} encoding 'UTF8' locale 'C' template template0`)
    const place = new URL(url)
    place.pathname = `/${name}`
    return {
      url: place.href,
      execute: statement => administer(place.href, statement),
      remove: () => administer(url, `drop database if exists ${name} with (force)`),
    }
  }
}

/** Runs SQL. */
export async function administer(url: string, statement: string): Promise<void> {
  const parsed = new URL(url)
  const host = parsed.searchParams.get('host')
  const user = parsed.searchParams.get('user')
  parsed.search = ''
  const sql = postgres(parsed.href, {
    ...(host === null ? {} : { host }),
    ...(user === null ? {} : { user }),
    max: 1,
    onnotice() {},
  })
  try {
    await sql.unsafe(statement)
  } finally {
    await sql.end()
  }
}
