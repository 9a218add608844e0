import { CodecError } from '../../codec/error.ts'
import { isJsonObject, type Json, type JsonObject } from '../../codec/json.ts'
import { CryptoError } from '../../crypto/error.ts'
import type { BootstrappingKeyRecord } from '../../domain/bootstrapping.ts'
import { parseChannel } from '../../domain/operating-class.ts'
import { parseBootstrappingUri } from '../../protocol/dpp/uri.ts'
import { composeUri } from '../../role/factory/bootstrapping.ts'
import { defined } from '../defined.ts'
import { badRequest } from './failure.ts'
import { dppSchema } from './schema.ts'

/** What the DPP extension of RFC 9944 says of a device. */
export interface WantedDpp {
  /** `DPP:…;;`, made of its members. */
  readonly uri: string
  readonly serialNumber?: string
}

const members = [
  'dppversion',
  'bootstrappingmethod',
  'bootstrapkey',
  'devicemacaddress',
  'classchannel',
  'serialnumber',
]
const methods = ['QR', 'NFC', 'PKEX', 'CLOUD']

/** RFC 9944, DPP extension. What it says twice is held against each other. Throws ScimError. */
export function readDpp(value: Json): WantedDpp {
  if (!isJsonObject(value)) throw wrong('an object')
  const given = new Map(Object.entries(value).map(([name, member]) => [name.toLowerCase(), member]))
  for (const name of given.keys()) {
    if (!members.includes(name)) throw badRequest('invalidSyntax', `no such attribute: ${name.slice(0, 100)}`)
  }
  const version = given.get('dppversion')
  if (version !== 1 && version !== 2 && version !== 3) throw wrong('dppVersion 1, 2 or 3')
  const key = given.get('bootstrapkey')
  if (typeof key !== 'string' || !/^[A-Za-z0-9+/]{40,400}={0,2}$/.test(key)) throw wrong('bootstrapKey in base64')
  checkMethods(given.get('bootstrappingmethod'))
  const serialNumber = serialOf(given.get('serialnumber'))
  const fields = {
    version,
    ...defined({ mac: macOf(given.get('devicemacaddress')), channels: channelsOf(given.get('classchannel')) }),
    ...(serialNumber === undefined ? {} : { information: `SN=${serialNumber}` }),
  }
  try {
    const uri = composeUri(Buffer.from(key, 'base64'), fields)
    return { uri, ...defined({ serialNumber }) }
  } catch (error) {
    if (!(error instanceof CryptoError) && !(error instanceof CodecError)) throw error
    throw wrong(`a bootstrapKey that can be used: ${error.message}`)
  }
}

function wrong(rule: string) {
  return badRequest('invalidValue', `${dppSchema} wants ${rule}`)
}

function checkMethods(value: Json | undefined): void {
  if (value === undefined || value === null) return
  const known = Array.isArray(value) && value.every(each => typeof each === 'string' && methods.includes(each))
  if (!known) throw wrong(`bootstrappingMethod of ${methods.join(', ')}`)
}

function macOf(value: Json | undefined): string | undefined {
  if (value === undefined || value === null) return undefined
  if (typeof value !== 'string' || !/^[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}$/.test(value)) {
    throw wrong('deviceMacAddress as 2C:54:91:88:C9:F2')
  }
  return value.replaceAll(':', '').toLowerCase()
}

function channelsOf(value: Json | undefined) {
  if (value === undefined || value === null) return undefined
  const texts: readonly Json[] = Array.isArray(value) ? (value as readonly Json[]) : [value]
  if (texts.length > 32) throw wrong('at most 32 of classChannel')
  return texts.map(each => {
    const channel = typeof each === 'string' ? parseChannel(each) : undefined
    if (channel === undefined) throw wrong('classChannel as 81/1')
    return channel
  })
}

function serialOf(value: Json | undefined): string | undefined {
  if (value === undefined || value === null) return undefined
  if (typeof value !== 'string' || !/^[A-Za-z0-9._-]{1,64}$/.test(value)) {
    throw wrong('serialNumber of 1 to 64 letters, digits, . _ -')
  }
  return value
}

/** As it is shown: without the key, since whoever has that may onboard. */
export function dppResource({ uri: text }: BootstrappingKeyRecord): JsonObject {
  const { version = 1, mac, channels, information } = parseBootstrappingUri(text)
  const serialNumber = /^SN=(.+)$/.exec(information ?? '')?.[1]
  return {
    dppVersion: version,
    bootstrappingMethod: ['QR'],
    ...(mac === undefined ? {} : { deviceMacAddress: mac.toUpperCase().match(/../g)!.join(':') }),
    ...(channels === undefined
      ? {}
      : { classChannel: channels.map(({ operatingClass, channel }) => `${operatingClass}/${channel}`) }),
    ...(serialNumber === undefined ? {} : { serialNumber }),
  }
}
