import { hash } from 'node:crypto'
import * as z from 'zod'
import { CodecError } from '../codec/error.ts'
import { decodeJsonObject, encodeCanonicalJson } from '../codec/json.ts'

/*
 * What a device is made of, as its factory measured it, and as the device states it: names, versions, hashes. A statement is
 * the device's own word, over its own credential. It finds what was changed on the way by whoever did not change what
 * states it, too; proof against that is attestation, which this is not.
 */

const Visible = z.string().regex(/^[^\p{C}\p{Zl}\p{Zp}]{1,100}$/u, '1 to 100 visible characters')

export const Component = z.strictObject({
  /** `bootloader`, `application`, a package. */
  name: Visible,
  version: Visible,
  /** SHA-256, hex. */
  hash: z.string().regex(/^[0-9a-f]{64}$/, '64 hex digits'),
})
export type Component = z.infer<typeof Component>

export const maxComponents = 48

/** In order of name, none twice. */
export const ComponentList = z
  .array(Component)
  .min(1)
  .max(maxComponents)
  .refine(list => new Set(list.map(({ name }) => name)).size === list.length, 'a component is there twice')
  .transform(list => list.toSorted((a, b) => (a.name < b.name ? -1 : 1)))
export type ComponentList = z.infer<typeof ComponentList>

const limits = { size: 0x4000, depth: 4, count: 4 * maxComponents + 8 }

/** `{"components": [...]}`. Throws CodecError. */
export function decodeComponents(bytes: Uint8Array): ComponentList {
  const { components, ...rest } = decodeJsonObject(bytes, limits)
  const parsed = ComponentList.safeParse(components)
  if (!parsed.success || Object.keys(rest).length > 0) {
    const issue = parsed.error?.issues[0]
    throw new CodecError('bad-value', `not a list of components: ${issue?.message ?? 'unknown member'}`.slice(0, 200))
  }
  return parsed.data
}

export function encodeComponents(components: ComponentList): Buffer {
  return Buffer.from(encodeCanonicalJson({ components }))
}

/** One hash over all of them: two devices with the same one have the same components. */
export function componentSnapshot(components: ComponentList): string {
  return hash('sha256', encodeComponents(components))
}

export type Difference = {
  readonly name: string
  readonly kind: 'changed' | 'missing' | 'added'
  readonly expected?: string
  readonly stated?: string
}

/** What is stated and was not expected, and the other way round; versions with the first digits of hashes. */
export function differencesOf(expected: ComponentList, stated: ComponentList): Difference[] {
  const shown = ({ version, hash: sum }: Component) => `${version} ${sum.slice(0, 16)}`
  const list: Difference[] = []
  for (const each of expected) {
    const now = stated.find(({ name }) => name === each.name)
    if (now === undefined) list.push({ name: each.name, kind: 'missing', expected: shown(each) })
    else if (now.hash !== each.hash || now.version !== each.version) {
      list.push({ name: each.name, kind: 'changed', expected: shown(each), stated: shown(now) })
    }
  }
  for (const each of stated) {
    if (!expected.some(({ name }) => name === each.name)) {
      list.push({ name: each.name, kind: 'added', stated: shown(each) })
    }
  }
  return list
}

/** `no-reference`: the manufacturer said nothing. `changed`: as expected at first boot, and different now: an update, or not. */
export type ComponentVerdict = 'match' | 'differ' | 'changed' | 'no-reference'

export interface StatedComponents {
  /** Snapshot. */
  readonly stated: string
  readonly verdict: ComponentVerdict
  readonly at: number
  readonly differences: number
}

/** Of the first statement, which counts as that of the first boot, everything else is a later one. */
export function judgeComponents(
  expected: string | undefined,
  stated: string,
  before: StatedComponents | undefined,
): ComponentVerdict {
  if (expected === undefined) return 'no-reference'
  if (expected === stated) return 'match'
  return before?.verdict === 'match' || before?.verdict === 'changed' ? 'changed' : 'differ'
}
