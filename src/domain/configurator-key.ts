/**
 * What a Configurator's keys are for: `bootstrapping` is what devices and access points know us by, `c-sign` signs Connectors,
 * `pp` opens the identifiers in reconfiguration announcements.
 */
export const configuratorKeyUses = ['bootstrapping', 'c-sign', 'pp'] as const
export type ConfiguratorKeyUse = (typeof configuratorKeyUses)[number]

/** A key of the Configurator. The private half is in the key store, under the id as its label. */
export interface ConfiguratorKeyRecord {
  /** `dpp-c-sign-p-256-1` and so on. */
  readonly id: string
  readonly use: ConfiguratorKeyUse
  readonly curve: string
  /** SubjectPublicKeyInfo, DER, base64. */
  readonly spki: string
  /** `former`: signs and is shown no more; what it has signed stays good until it ends. */
  readonly state: 'current' | 'former'
  readonly source: 'made' | 'imported'
  readonly establishedAt: number
  readonly establishedBy: string
  /** Of the stream of its use and curve, when it was last written to for this key. */
  readonly version: number
}
