import { OnboardingError } from '../../domain/error.ts'
import { withCodes } from '../../domain/failure.ts'
import { type ConfigurationObject, decodeConfigurationObject } from './configuration-object.ts'
import { type Connector, requireNetAccessKey, verifyConnector } from './connector.ts'
import type { DppPublicKey } from './key.ts'

/** A configuration whose Connector, where it has one, is verified. */
export interface AcceptedConfiguration extends ConfigurationObject {
  readonly connector?: Connector
}

export interface ConfigurationContext {
  /** The public key that the Enrollee used in this exchange. */
  readonly netAccessKey: DppPublicKey
  /** Absent: a device without a clock, which judges no expiry. */
  readonly at?: Date
}

/** At most so many objects come in one answer. */
export const maxConfigurations = 10

const codes = {
  malformed: 'configuration-invalid',
  signature: 'configuration-invalid',
  path: 'configuration-invalid',
} as const

/**
 * What an Enrollee checks of the objects of one answer: one that is wrong spoils all (they are answered with one status).
 * Throws OnboardingError `configuration-invalid`, `connector-invalid` or `connector-expired`.
 */
export function acceptConfigurations(
  objects: readonly Uint8Array[],
  context: ConfigurationContext,
): readonly AcceptedConfiguration[] {
  if (objects.length === 0 || objects.length > maxConfigurations)
    throw new OnboardingError('configuration-invalid', { rule: 'count', count: objects.length })
  return objects.map(bytes => {
    const object = withCodes(codes, () => decodeConfigurationObject(bytes))
    const connector = verifiedConnector(object, context)
    return { ...object, ...(connector !== undefined && { connector }) }
  })
}

function verifiedConnector({ cred }: ConfigurationObject, { netAccessKey, at }: ConfigurationContext) {
  if (cred.connector === undefined) return undefined
  const { signedConnector, csign, kid } = cred.connector
  const connector = verifyConnector(signedConnector, { csign, kid, ...(at !== undefined && { at }) })
  requireNetAccessKey(connector, netAccessKey)
  return connector
}
