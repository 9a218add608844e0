import type * as z from 'zod'
import { decodeJsonObject } from '../../codec/json.ts'
import { OnboardingError } from '../../domain/error.ts'
import type { Operation } from './contract/operation.ts'

const defaultMaxBody = 0x1_0000
const jsonLimits = { depth: 8, count: 10_000 }

/** Params, query and body of a request, as the operation wants them. Throws OnboardingError, or CodecError for no JSON. */
export async function readInput(
  operation: Operation,
  request: Request,
  params: Readonly<Record<string, string>>,
): Promise<Record<string, unknown>> {
  const { searchParams } = new URL(request.url)
  const input: Record<string, unknown> = {}
  if (operation.params !== undefined) input['params'] = checked(operation.params, params)
  const query = queryOf(searchParams)
  if (operation.query !== undefined) input['query'] = checked(operation.query, query)
  else refuseMembers(query)
  const body = await readBody(operation, request)
  if (operation.body !== undefined) input['body'] = checked(operation.body, body)
  else refuseMembers(body)
  return input
}

function queryOf(searchParams: URLSearchParams): Record<string, string> {
  const query: Record<string, string> = {}
  for (const [name, value] of searchParams) {
    // `__proto__` would not become a member, and so slip past the check for unknown ones.
    if (Object.hasOwn(query, name) || name === '__proto__') throw invalid(name, 'once at most')
    query[name] = value
  }
  return query
}

/** No body is an empty one: where every member has a default there is nothing to say. */
async function readBody({ body, maxBody = defaultMaxBody }: Operation, request: Request): Promise<object> {
  const bytes = await readBytes(request, body === undefined ? 1024 : maxBody)
  if (bytes.length === 0) return {}
  const type = request.headers.get('content-type') ?? ''
  if (!/^application\/json\s*(;\s*charset="?utf-8"?\s*)?$/i.test(type)) {
    throw new OnboardingError('media-type-unknown', { type: type.slice(0, 80), expected: 'application/json' })
  }
  return decodeJsonObject(bytes, { ...jsonLimits, size: bytes.length })
}

async function readBytes(request: Request, limit: number): Promise<Buffer> {
  const tooLarge = () => new OnboardingError('request-too-large', { limit })
  if (Number(request.headers.get('content-length') ?? 0) > limit) throw tooLarge()
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of request.body ?? []) {
    length += chunk.length
    if (length > limit) throw tooLarge()
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

/** The same for an input that stands within another one, as `{ params, query, body }`. */
export function nestedInput(
  operation: Operation,
  given: Readonly<Partial<Record<'params' | 'query' | 'body', object | undefined>>>,
): Record<string, unknown> {
  const input: Record<string, unknown> = {}
  for (const part of ['params', 'query', 'body'] as const) {
    const schema = operation[part]
    if (schema === undefined) refuseMembers(given[part] ?? {})
    else input[part] = checked(schema, given[part] ?? {})
  }
  return input
}

function refuseMembers(value: object): void {
  const [name] = Object.keys(value)
  if (name !== undefined) throw invalid(name, 'no such parameter')
}

function checked(schema: z.ZodType, value: unknown): unknown {
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  const issue = parsed.error.issues[0]!
  if (issue.code === 'unrecognized_keys') throw invalid([...issue.path, issue.keys[0]!].join('.'), 'no such parameter')
  throw invalid(issue.path.join('.'), issue.message)
}

/** Names and rules only: what was sent is not repeated, it may be a secret in the wrong place. */
function invalid(field: string, rule: string): OnboardingError {
  return new OnboardingError('input-invalid', { field: field.slice(0, 100), rule: rule.slice(0, 300) })
}
