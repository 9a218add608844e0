import type { ErrorCode } from './error.ts'

/*
 * Where the MUD file of a device is (RFC 8520), and on whose word. A URL that anybody could put beside a device would give it
 * the flows of another one (white paper section 6.4.21), so each source is kept apart and the weaker never wins.
 */

/** What the sources say, as far as they were heard. */
export type DeviceIntent = {
  /** In the birth certificate, whose key the device has proven. */
  readonly certificate?: string
  /** In the manifest that the manufacturer signed for this serial number. */
  readonly manifest?: string
  /** In the declaration, since a rebranding; `keeper`: name of the one who keeps the MUD file now. */
  readonly declared?: { readonly mudUrl: string; readonly keeper: string }
  /** What the device itself said in the channel of an onboarding, bound to nothing by that. */
  readonly request?: string
}

export type IntentVerdict = 'none' | 'bound' | 'unbound' | 'differs'

export interface JudgedIntent {
  /** `bound`: signed by the maker and contradicted by nobody. `unbound`: the device's own word alone. */
  readonly verdict: IntentVerdict
  /** The one to go by; of contradicting ones that which the maker signed. Absent with `none`. */
  readonly mudUrl?: string
  readonly code?: ErrorCode & 'mud-url-differs'
  /** In a few words, for the record. */
  readonly note: string
}

/** RFC 8520 section 10: an https URL; what stands in a certificate has at most 255 octets. */
export function isMudUrl(text: string): boolean {
  return /^https:\/\/[\x21-\x7e]{1,247}$/.test(text) && URL.canParse(text)
}

export function judgeIntent({ certificate, manifest, declared, request }: DeviceIntent = {}): JudgedIntent {
  const born = certificate ?? manifest
  const bound = declared?.mudUrl ?? born
  if (bound === undefined) {
    if (request === undefined) return { verdict: 'none', note: 'no MUD URL' }
    return { verdict: 'unbound', mudUrl: request, note: 'MUD URL on the word of the device alone' }
  }
  const differs = (note: string) => ({ verdict: 'differs', mudUrl: bound, code: 'mud-url-differs', note }) as const
  if (certificate !== undefined && manifest !== undefined && certificate !== manifest) {
    return differs('birth certificate and manifest name different MUD URLs')
  }
  // A device goes on saying what it was born with.
  if (request !== undefined && request !== bound && request !== born) {
    return differs('the device names another MUD URL than its maker signed')
  }
  if (declared !== undefined) return { verdict: 'bound', mudUrl: bound, note: `MUD URL kept by ${declared.keeper}` }
  const where = certificate === undefined ? 'signed manifest' : 'birth certificate'
  return { verdict: 'bound', mudUrl: bound, note: `MUD URL in the ${where}` }
}
