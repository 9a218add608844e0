import type { Device } from '../../domain/device.ts'
import { badRequest } from './failure.ts'
import { isActive } from './resource.ts'
import { birthSchema, deviceSchema } from './schema.ts'

/** What a device must be like: attribute and value, all of them. */
export interface Term {
  readonly attribute: keyof typeof attributes
  readonly value: string | boolean
}

/** By lower-case name (RFC 7643 section 2.1): how to find the value in a record. */
const attributes = {
  id: ({ id }: Device) => id,
  externalid: ({ provisioning }: Device) => provisioning?.externalId,
  displayname: ({ provisioning }: Device) => provisioning?.displayName,
  active: (device: Device) => isActive(device),
  manufacturer: ({ manufacturer }: Device) => manufacturer,
  serialnumber: ({ serial }: Device) => serial,
  model: ({ model }: Device) => model,
} as const

/** Compared without regard to case, as their schema says. */
const folded: ReadonlySet<string> = new Set(['displayname'])

const maxLength = 1000
const maxTerms = 8

/** RFC 7644 section 3.4.2.2, of which `eq` and `and`. Throws ScimError `invalidFilter`. */
export function parseFilter(text: string): readonly Term[] {
  if (text.length > maxLength) throw badRequest('invalidFilter', 'the filter is too long')
  const terms: Term[] = []
  let rest = text.trim()
  for (;;) {
    const found =
      /^([A-Za-z][\w:.$-]*)\s+eq\s+("(?:[^"\\\p{Cc}]|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4})*"|true|false)(?=\s|$)/iu.exec(
        rest,
      )
    if (found === null) throw badRequest('invalidFilter', 'only ATTRIBUTE eq VALUE is understood, joined by and')
    terms.push({ attribute: attributeNamed(found[1]!), value: literalOf(found[2]!) })
    rest = rest.slice(found[0].length).trim()
    if (rest === '') return terms
    const and = /^and\s+/i.exec(rest)
    if (and === null || terms.length === maxTerms) {
      throw badRequest('invalidFilter', `only and joins terms, at most ${maxTerms}`)
    }
    rest = rest.slice(and[0].length)
  }
}

function attributeNamed(text: string): Term['attribute'] {
  const lower = text.toLowerCase()
  const urn = [deviceSchema, birthSchema].map(each => `${each.toLowerCase()}:`).find(each => lower.startsWith(each))
  const name = urn === undefined ? lower : lower.slice(urn.length)
  if (!Object.hasOwn(attributes, name)) throw badRequest('invalidFilter', `cannot filter by ${text.slice(0, 100)}`)
  return name as Term['attribute']
}

function literalOf(text: string): string | boolean {
  const lower = text.toLowerCase()
  if (lower === 'true' || lower === 'false') return lower === 'true'
  return JSON.parse(text) as string
}

export function matches(device: Device, terms: readonly Term[]): boolean {
  return terms.every(({ attribute, value }) => {
    const own = attributes[attribute](device)
    if (folded.has(attribute) && typeof own === 'string' && typeof value === 'string') {
      return own.toLowerCase() === value.toLowerCase()
    }
    return own === value
  })
}
