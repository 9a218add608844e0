import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Operation } from '../../../src/app/api/contract/operation.ts'
import { api, type OperationName } from '../../../src/app/api/contract.ts'
import { examples } from '../../../src/app/api/example.ts'
import { openapi } from '../../../src/app/api/openapi.ts'
import { rolesWith } from '../../../src/domain/authority.ts'
import { errorCatalogue } from '../../../src/domain/error.ts'
import { strictly, withWorld } from './world.ts'

type Node = { readonly [member: string]: unknown }

const document = JSON.parse(JSON.stringify(openapi('9.9.9'))) as Node & {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Node>>>>
  readonly components: Readonly<Record<string, Readonly<Record<string, Node>>>>
}
const operations = Object.entries(document.paths).flatMap(([path, item]) =>
  Object.entries(item).map(([method, operation]) => ({ path, method, operation })),
)

/** Every object in the document with the way to it. */
function* nodes(value: unknown, way = '#'): Generator<{ readonly way: string; readonly node: Node }> {
  if (typeof value !== 'object' || value === null) return
  if (!Array.isArray(value)) yield { way, node: value as Node }
  for (const [name, member] of Object.entries(value)) yield* nodes(member, `${way}/${name.replaceAll('/', '~1')}`)
}

/** Members of a Schema Object (JSON Schema 2020-12) that the document may use, and of what kind they are. */
const keywords: Readonly<Record<string, (value: unknown) => boolean>> = {
  type: value =>
    [value].flat().every(each => ['object', 'array', 'string', 'integer', 'number', 'boolean'].includes(String(each))),
  properties: value => typeof value === 'object',
  required: value => Array.isArray(value),
  additionalProperties: value => value === false || typeof value === 'object',
  propertyNames: value => typeof value === 'object',
  items: value => typeof value === 'object',
  enum: value => Array.isArray(value) && new Set(value).size === value.length,
  const: () => true,
  default: () => true,
  description: value => typeof value === 'string',
  format: value => typeof value === 'string',
  pattern: value => new RegExp(String(value), 'u') instanceof RegExp,
  contentEncoding: value => value === 'base64',
  minLength: Number.isInteger,
  maxLength: Number.isInteger,
  minItems: Number.isInteger,
  maxItems: Number.isInteger,
  minimum: Number.isFinite,
  maximum: Number.isFinite,
  $ref: value => /^#\/components\/schemas\/\w+$/.test(String(value)),
}

function checkSchema(schema: Node, way: string): void {
  for (const [name, value] of Object.entries(schema)) {
    const rule = keywords[name]
    assert.ok(rule !== undefined, `${way}: no keyword is called ${name}`)
    assert.ok(rule(value), `${way}/${name}: ${JSON.stringify(value)}`)
  }
  const properties = (schema['properties'] ?? {}) as Readonly<Record<string, Node>>
  for (const [name, member] of Object.entries(properties)) checkSchema(member, `${way}/properties/${name}`)
  for (const name of (schema['required'] ?? []) as string[])
    assert.ok(name in properties, `${way}: ${name} is required`)
  for (const name of ['items', 'additionalProperties', 'propertyNames']) {
    if (typeof schema[name] === 'object') checkSchema(schema[name] as Node, `${way}/${name}`)
  }
}

describe('the OpenAPI document', () => {
  test('is what /openapi.json serves, to anybody', () =>
    withWorld(async ({ ask, services }) => {
      const { status, json, headers } = await ask('/openapi.json')
      assert.equal(status, 200)
      assert.equal(headers.get('content-type'), 'application/json')
      assert.deepEqual(json, JSON.parse(JSON.stringify(openapi(services.site.version))))
    }))

  test('has the members that OpenAPI 3.1 wants', () => {
    assert.equal(document['openapi'], '3.1.0')
    const info = document['info'] as Node
    assert.ok(info['title'] && info['version'] === '9.9.9')
    const tags = (document['tags'] as { name: string }[]).map(({ name }) => name)
    assert.equal(new Set(tags).size, tags.length)
    for (const { operation } of operations) {
      for (const tag of operation['tags'] as string[]) assert.ok(tags.includes(tag))
      assert.ok(String(operation['summary']).length > 5)
    }
  })

  test('has each operation of the contract once, under its name', () => {
    const shown = operations.map(
      ({ path, method, operation }) => `${operation['operationId'] as string} ${method} ${path}`,
    )
    const wanted = Object.entries<Operation>(api).map(
      ([name, { method, path }]) => `${name} ${method.toLowerCase()} ${path}`,
    )
    assert.deepEqual(shown.sort(), wanted.sort())
  })

  test('says who may call what, and with what', () => {
    const schemes = document.components['securitySchemes']
    assert.deepEqual([schemes?.['token']?.['type'], schemes?.['token']?.['scheme']], ['http', 'bearer'])
    for (const { operation } of operations) {
      const { authority }: Operation = api[operation['operationId'] as OperationName]
      assert.deepEqual(operation['security'], authority.length === 0 ? [] : [{ token: [] }, { certificate: [] }])
      assert.deepEqual(operation['x-authority'] ?? [], authority)
      assert.deepEqual(operation['x-roles'] ?? [], rolesWith(authority))
    }
  })

  test('declares each parameter of a path, and no other', () => {
    for (const { path, operation } of operations) {
      const parameters = operation['parameters'] as { name: string; in: string; required: boolean }[]
      const inPath = parameters.filter(each => each.in === 'path')
      assert.deepEqual(
        inPath.map(({ name }) => name),
        [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name),
      )
      assert.ok(inPath.every(({ required }) => required))
      assert.ok(
        parameters.every(each => each.in === 'path' || (['query', 'header'].includes(each.in) && !each.required)),
      )
      assert.equal(new Set(parameters.map(({ name }) => name)).size, parameters.length)
    }
  })

  test('refers to nothing that is not there, and has nothing that is not referred to', () => {
    const used = new Set<string>()
    for (const { way, node } of nodes(document)) {
      const ref = node['$ref']
      if (typeof ref !== 'string') continue
      const [, components, kind, name] = ref.split('/')
      assert.equal(components, 'components', way)
      assert.ok(document.components[kind!]?.[name!] !== undefined, `${way}: ${ref}`)
      used.add(`${kind}/${name}`)
    }
    for (const kind of ['schemas', 'responses']) {
      for (const name of Object.keys(document.components[kind]!)) assert.ok(used.has(`${kind}/${name}`), name)
    }
  })

  test('has schemas of known keywords only', () => {
    let checked = 0
    for (const { way, node } of nodes(document)) {
      if (!way.endsWith('/schema')) continue
      checkSchema(node, way)
      checked++
    }
    assert.ok(checked > 40)
    for (const [name, schema] of Object.entries(document.components['schemas']!)) checkSchema(schema, name)
  })

  test('refuses what the server refuses: members that no request has', () => {
    for (const { operation } of operations) {
      const content = (operation['requestBody'] as { content: Readonly<Record<string, Node>> } | undefined)?.content
      if (content === undefined) continue
      assert.equal((content['application/json']!['schema'] as Node)['additionalProperties'], false)
    }
  })

  test('has examples that are right', () => {
    for (const name of Object.keys(api) as OperationName[]) {
      const operation: Operation = api[name]
      const { body, reply } = examples.operations[name] as { readonly body?: unknown; readonly reply: unknown }
      const parsed = strictly(operation.reply).safeParse(reply)
      assert.ok(parsed.success, `${name}: ${parsed.error}`)
      assert.equal(body === undefined, operation.body === undefined, name)
      if (operation.body !== undefined) assert.ok(operation.body.safeParse(body).success, name)
    }
  })

  test('knows every code, and answers each failure with it', () => {
    const { properties } = document.components['schemas']!['Problem'] as { properties: Record<string, Node> }
    assert.deepEqual(properties['code']?.['enum'], Object.keys(errorCatalogue))
    for (const { operation } of operations) {
      assert.deepEqual((operation['responses'] as Node)['default'], { $ref: '#/components/responses/Problem' })
    }
  })

  test('tells nothing of this machine', () => {
    assert.ok(!/\/work\/|\/home\/|node_modules/.test(JSON.stringify(document)))
  })
})
