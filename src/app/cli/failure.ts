import { KeyStoreError } from '../../adapter/key/error.ts'
import { CodecError } from '../../codec/error.ts'
import { OnboardingError, problem } from '../../domain/error.ts'
import { wrapped } from './table.ts'
import { harmless, type Io, painter } from './terminal.ts'

/** Every failure of a command, as one of the catalogue. */
export function failureOf(error: unknown): OnboardingError {
  if (error instanceof OnboardingError) return error
  if (error instanceof KeyStoreError) {
    return new OnboardingError('key-store-failed', { rule: error.code, reason: error.message }, { cause: error })
  }
  if (error instanceof CodecError) {
    return new OnboardingError('input-invalid', { rule: error.code, reason: error.message }, { cause: error })
  }
  const { code, path, syscall, message } = error as NodeJS.ErrnoException
  if (typeof code === 'string' && path !== undefined && syscall !== undefined) {
    const reading = (code === 'ENOENT' && !syscall.startsWith('mkd')) || syscall === 'read' || syscall === 'scandir'
    return new OnboardingError(
      reading ? 'file-unreadable' : 'file-unwritable',
      { path, reason: code },
      { cause: error },
    )
  }
  return new OnboardingError('internal', { reason: String(message ?? error) }, { cause: error })
}

/** For scripts: one document on standard output, like any other answer. */
export function failureJson(error: OnboardingError): string {
  const { type: _, status: _status, ...told } = problem(error)
  return JSON.stringify({ error: told })
}

/** For people: what it is, why, and what to do now. */
export function failureText(error: OnboardingError, io: Io): string {
  const { title, cause, action } = error.entry
  const paint = painter(io.stderr, io.env)
  const facts = Object.entries(error.detail).map(([name, value]) => `  ${name}: ${harmless(String(value))}`)
  return [
    `${paint(['bold', 'red'], title)} ${paint('dim', `[${error.code}]`)}`,
    ...wrapped(cause),
    ...facts,
    ...(error.code === 'internal' ? whereabouts(error, io) : []),
    ...wrapped(`Next: ${action}`).map((line, n) => (n === 0 ? line.replace('Next:', paint('bold', 'Next:')) : line)),
    '',
  ].join('\n')
}

/** A stack trace helps who mends it, and nobody else. */
function whereabouts({ cause }: OnboardingError, { env }: Io): string[] {
  if (!(cause instanceof Error)) return []
  const { MOORING_TRACE = '' } = env
  return MOORING_TRACE === '' ? ['  MOORING_TRACE=1 in the environment shows where.'] : [`  ${cause.stack ?? ''}`]
}
