import * as z from 'zod'
import { type Authority, rolesWith } from '../../domain/authority.ts'
import { errorCatalogue } from '../../domain/error.ts'
import { Checkpoint, EventView, Verdict } from './contract/audit.ts'
import { CallerAuthorityView, CallerView } from './contract/caller.ts'
import { FourEyesView, RequestView } from './contract/confirmation.ts'
import { CredentialView } from './contract/credential.ts'
import { DeviceView } from './contract/device.ts'
import { ManifestReport, ManifestView } from './contract/manifest.ts'
import type { Operation } from './contract/operation.ts'
import { TokenView } from './contract/token.ts'
import { ManufacturerView } from './contract/trust.ts'
import { VoucherView } from './contract/voucher.ts'
import { api, type OperationName } from './contract.ts'
import { examples } from './example.ts'

type Schema = Record<string, unknown>

/** Shapes with a name of their own in the document. */
const named = z.registry<{ id: string }>()
const shapes = {
  CallerAuthorityView,
  CallerView,
  Checkpoint,
  CredentialView,
  DeviceView,
  EventView,
  ManifestReport,
  FourEyesView,
  ManifestView,
  ManufacturerView,
  RequestView,
  TokenView,
  Verdict,
  VoucherView,
}
for (const [id, shape] of Object.entries(shapes)) named.add(shape, { id })

/** The contract as an OpenAPI 3.1 document. */
export function openapi(version: string): Schema {
  const shared: Record<string, Schema> = {}
  const paths: Record<string, Record<string, Schema>> = {}
  for (const name of Object.keys(api) as OperationName[]) {
    const operation: Operation = api[name]
    paths[operation.path] ??= {}
    paths[operation.path]![operation.method.toLowerCase()] = operationObject(name, operation, shared)
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Mooring',
      version,
      summary: 'Trusted onboarding and lifecycle of devices',
      description:
        'Every failure is an RFC 9457 problem whose `code` is one of the catalogue at /v1/errors. Replies may gain members; ' +
        'requests with unknown members are refused.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    tags: [...new Set(Object.values<Operation>(api).map(({ tag }) => tag))].map(name => ({ name })),
    paths,
    components: {
      schemas: { ...shared, Problem: problemSchema() },
      responses: {
        Problem: {
          description: 'Refused or failed',
          content: {
            'application/problem+json': { schema: ref('Problem'), example: examples.problem },
          },
        },
      },
      securitySchemes: {
        token: { type: 'http', scheme: 'bearer', description: 'An API token: `mrg_` and 43 characters' },
        certificate: {
          type: 'mutualTLS',
          description: 'A client certificate that was let in; not together with a token',
        },
      },
    },
  }
}

function operationObject(name: OperationName, operation: Operation, shared: Record<string, Schema>): Schema {
  const { summary, tag, authority, params, query, body, reply } = operation
  const example = examples.operations[name] as { readonly body?: unknown; readonly reply: unknown }
  const content: Record<string, Schema> = {
    'application/json': { schema: schemaOf(reply, shared), example: example.reply },
  }
  if (name === 'eventList') {
    content['text/event-stream'] = {
      schema: { type: 'string' },
      example: examples.eventStream,
    }
  }
  return {
    operationId: name,
    summary,
    tags: [tag],
    ...security(authority),
    parameters: [
      ...parameters(params, 'path', shared),
      ...parameters(query, 'query', shared),
      ...(name === 'eventList' ? [lastEventId] : []),
    ],
    ...(body === undefined
      ? {}
      : {
          requestBody: {
            required: !body.safeParse({}).success,
            content: { 'application/json': { schema: schemaOf(body, shared), example: example.body } },
          },
        }),
    responses: { 200: { description: 'Done', content }, default: { $ref: '#/components/responses/Problem' } },
  }
}

function security(authority: readonly Authority[]): Schema {
  if (authority.length === 0) return { security: [] }
  const roles = rolesWith(authority)
  return {
    description: `For the roles ${roles.join(', ')}.`,
    security: [{ token: [] }, { certificate: [] }],
    'x-authority': authority,
    'x-roles': roles,
  }
}

const lastEventId: Schema = {
  name: 'Last-Event-ID',
  in: 'header',
  required: false,
  description: 'With text/event-stream: go on behind the event of this id, in place of `cursor`',
  schema: { type: 'string' },
}

function parameters(
  schema: z.ZodObject | undefined,
  place: 'path' | 'query',
  shared: Record<string, Schema>,
): Schema[] {
  return Object.entries(schema?.shape ?? {}).map(([name, member]) => {
    const { description, ...rest } = schemaOf(member as z.ZodType, shared)
    return {
      name,
      in: place,
      required: place === 'path',
      ...(description === undefined ? {} : { description }),
      schema: rest,
    }
  })
}

/** As a caller writes it: a member with a default may be left out. Named shapes go to `shared`. */
function schemaOf(schema: z.ZodType, shared: Record<string, Schema>): Schema {
  const {
    $schema: _,
    $defs,
    ...own
  } = z.toJSONSchema(schema, { io: 'input', metadata: named }) as Schema & {
    $defs?: Record<string, Schema>
  }
  for (const [id, shape] of Object.entries($defs ?? {})) shared[id] = pointed(shape) as Schema
  const id = own['id']
  if (typeof id !== 'string') return pointed(own) as Schema
  shared[id] = pointed(own) as Schema
  return ref(id)
}

/** References into the document instead of into one schema; and without the id, which was for the registry. */
function pointed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(pointed)
  if (typeof value !== 'object' || value === null) return value
  const copy: Schema = {}
  for (const [name, member] of Object.entries(value)) {
    if (name === 'id' && typeof member === 'string') continue
    copy[name] = name === '$ref' ? String(member).replace('#/$defs/', '#/components/schemas/') : pointed(member)
  }
  return copy
}

function ref(name: string): Schema {
  return { $ref: `#/components/schemas/${name}` }
}

function problemSchema(): Schema {
  return {
    type: 'object',
    description: 'RFC 9457',
    required: ['type', 'title', 'status', 'detail', 'code', 'action', 'facts', 'instance'],
    properties: {
      type: { type: 'string', format: 'uri' },
      title: { type: 'string' },
      status: { type: 'integer' },
      detail: { type: 'string', description: 'What happened, in plain words' },
      code: { type: 'string', enum: Object.keys(errorCatalogue) },
      action: { type: 'string', description: 'What to do next' },
      facts: {
        type: 'object',
        description: 'Of this occurrence',
        additionalProperties: { type: ['string', 'number', 'boolean'] },
      },
      instance: { type: 'string', description: 'Names the request; the log has the same id' },
    },
  }
}
