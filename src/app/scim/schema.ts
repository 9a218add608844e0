/**
 * SCIM discovery (RFC 7643 sections 5 to 7). Device is the core schema of RFC 9944; which manufacturer and serial number
 * a device has, that schema cannot say, so that an extension of ours does.
 */

export const deviceSchema = 'urn:ietf:params:scim:schemas:core:2.0:Device'
/** Wi-Fi Easy Connect, of RFC 9944. */
export const dppSchema = 'urn:ietf:params:scim:schemas:extension:dpp:2.0:Device'
export const birthSchema = 'urn:mooring:scim:schemas:extension:birth:2.0:Device'

export const scimMessage = {
  list: 'urn:ietf:params:scim:api:messages:2.0:ListResponse',
  patch: 'urn:ietf:params:scim:api:messages:2.0:PatchOp',
  error: 'urn:ietf:params:scim:api:messages:2.0:Error',
} as const

export const scimRoot = '/scim/v2'

/** Of a page; what a client asks beyond is cut. */
export const maxResults = 200

interface Attribute {
  readonly type?: 'string' | 'boolean' | 'reference' | 'integer'
  readonly multiValued?: boolean
  readonly description: string
  readonly required?: boolean
  readonly mutability?: 'readOnly' | 'readWrite' | 'immutable' | 'writeOnly'
  readonly returned?: 'default' | 'never'
  readonly caseExact?: boolean
  readonly uniqueness?: 'none' | 'server'
}

function attribute(name: string, given: Attribute) {
  const { type = 'string', description, required = false, mutability = 'readWrite' } = given
  const { caseExact = false, uniqueness = 'none', multiValued = false, returned = 'default' } = given
  const reference = type === 'reference' ? { referenceTypes: ['external'] } : {}
  return {
    name,
    type,
    multiValued,
    description,
    required,
    caseExact,
    mutability,
    returned,
    uniqueness,
    ...reference,
  }
}

const immutable = { mutability: 'immutable', caseExact: true } as const
const readOnly = { mutability: 'readOnly', caseExact: true } as const

const schemas = [
  {
    id: deviceSchema,
    name: 'Device',
    description: 'Device (RFC 9944)',
    attributes: [
      attribute('displayName', { description: 'Name for people' }),
      attribute('active', {
        type: 'boolean',
        description: 'Whether the device may come in; false withdraws it for good',
        required: true,
      }),
      attribute('mudUrl', {
        type: 'reference',
        description: 'MUD file (RFC 8520), from the manufacturer',
        ...readOnly,
      }),
    ],
  },
  {
    id: birthSchema,
    name: 'Birth',
    description: 'Who made the device, and how far it has come',
    attributes: [
      attribute('manufacturer', {
        description: 'Trusted manufacturer, by its name here',
        required: true,
        ...immutable,
      }),
      attribute('serialNumber', { description: 'As in the birth certificate', required: true, ...immutable }),
      attribute('model', { description: 'As the manufacturer names it', ...immutable }),
      attribute('lifecycle', { description: 'State of the lifecycle', ...readOnly }),
      attribute('rung', { description: 'How far its onboarding has come', ...readOnly }),
      attribute('standing', { description: 'What people or the manufacturer decided', ...readOnly }),
      attribute('owner', { description: 'Owner that the newest declaration names', ...readOnly }),
    ],
  },
  {
    id: dppSchema,
    name: 'DPP',
    description: 'Wi-Fi Easy Connect (RFC 9944): by which key the device is expected',
    attributes: [
      attribute('dppVersion', {
        type: 'integer',
        description: 'Version of the protocol',
        required: true,
        mutability: 'immutable',
      }),
      attribute('bootstrappingMethod', { description: 'How the key is shown', multiValued: true, ...immutable }),
      attribute('bootstrapKey', {
        description: 'SubjectPublicKeyInfo, base64; whoever has it may onboard',
        required: true,
        mutability: 'writeOnly',
        returned: 'never',
        caseExact: true,
      }),
      attribute('deviceMacAddress', { description: '2C:54:91:88:C9:F2', mutability: 'immutable' }),
      attribute('classChannel', { description: 'Where it announces itself, 81/1', multiValued: true, ...immutable }),
      attribute('serialNumber', { description: 'As in its bootstrapping information', ...immutable }),
    ],
  },
] as const

const meta = (resourceType: string, location: string) => ({ meta: { resourceType, location } })

export function schemaResources(base: string): readonly Discovered[] {
  return schemas.map(schema => ({
    schemas: ['urn:ietf:params:scim:schemas:core:2.0:Schema'],
    ...schema,
    ...meta('Schema', `${base}/Schemas/${schema.id}`),
  }))
}

export interface Discovered {
  readonly id: string
  readonly [member: string]: unknown
}

export function resourceTypes(base: string): readonly Discovered[] {
  return [
    {
      schemas: ['urn:ietf:params:scim:schemas:core:2.0:ResourceType'],
      id: 'Device',
      name: 'Device',
      endpoint: '/Devices',
      description: 'Device (RFC 9944)',
      schema: deviceSchema,
      schemaExtensions: [
        { schema: birthSchema, required: false },
        { schema: dppSchema, required: false },
      ],
      ...meta('ResourceType', `${base}/ResourceTypes/Device`),
    },
  ]
}

export function serviceProviderConfig(base: string) {
  return {
    schemas: ['urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig'],
    patch: { supported: true },
    bulk: { supported: false, maxOperations: 0, maxPayloadSize: 0 },
    filter: { supported: true, maxResults },
    changePassword: { supported: false },
    sort: { supported: false },
    etag: { supported: false },
    authenticationSchemes: [
      {
        type: 'oauthbearertoken',
        name: 'API token',
        description: 'A token of `mooring token create`, as Authorization: Bearer',
        specUri: 'https://www.rfc-editor.org/info/rfc6750',
      },
    ],
    ...meta('ServiceProviderConfig', `${base}/ServiceProviderConfig`),
  }
}
