import { run } from '../../../src/app/cli/program.ts'
import type { Io } from '../../../src/app/cli/terminal.ts'
import type { World } from '../api/world.ts'

export interface Outcome {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
  /** Standard output as the one JSON document that it has to be. */
  readonly json: () => Record<string, unknown>
}

export interface Setting {
  readonly env?: Record<string, string>
  readonly tty?: boolean
  readonly signal?: AbortSignal
  readonly fetch?: typeof fetch
}

/** Runs a command line in this process. */
export async function mooring(args: readonly string[], setting: Setting = {}): Promise<Outcome> {
  const { env = {}, tty = false, signal = new AbortController().signal } = setting
  let stdout = ''
  let stderr = ''
  const io: Io = {
    stdout: { write: text => (stdout += text), isTTY: tty },
    stderr: { write: text => (stderr += text), isTTY: tty },
    env: { HOME: '/nonexistent', ...env },
    signal,
    ...(setting.fetch === undefined ? {} : { fetch: setting.fetch }),
  }
  const code = await run(args, io)
  return { code, stdout, stderr, json: () => JSON.parse(stdout) as Record<string, unknown> }
}

/** A command line that talks to the site of a test. */
export function atSite(world: World, token = world.tokens.administrator) {
  const send: typeof fetch = (input, init) => world.server.fetch(new Request(input as string, init))
  const env = { MOORING_URL: 'http://localhost:8480', MOORING_TOKEN: token }
  return (args: readonly string[], setting: Setting = {}) =>
    mooring(args, { fetch: send, ...setting, env: { ...env, ...setting.env } })
}
