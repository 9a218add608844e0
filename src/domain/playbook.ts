/** The functional demonstration playbook of SP 1800-36 as data: what can be shown, and on what. */

export const scenarios = {
  S0: 'Factory provisioning',
  S1: 'Trusted network-layer onboarding',
  S2: 'Trusted application-layer onboarding',
  S3: 'Re-onboarding a device',
  S4: 'Ongoing device validation',
  S5: 'Credential and device posture throughout the lifecycle',
} as const

export type ScenarioId = keyof typeof scenarios

/** One way of onboarding, from factory to network. `runs`: the runner can drive it today. */
export interface Build {
  readonly id: string
  readonly title: string
  readonly status: 'runs' | 'planned'
}

export const builds = [
  { id: 'brski-wired', title: 'BRSKI and EST over a wired network', status: 'runs' },
  { id: 'brski-wifi', title: 'BRSKI and EST over Wi-Fi', status: 'planned' },
  { id: 'dpp-wifi', title: 'Wi-Fi Easy Connect', status: 'runs' },
  { id: 'thread', title: 'Thread commissioning', status: 'planned' },
  { id: 'fdo', title: 'FIDO Device Onboard', status: 'planned' },
  { id: 'matter', title: 'Matter commissioning', status: 'planned' },
] as const satisfies readonly Build[]

export type BuildId = (typeof builds)[number]['id']

/**
 * How a capability came out on a build. `implicit`: shown by the success of another one. `simulated`: shown on something
 * that stands in for the real thing. `not-yet`: nobody has built it. `not-applicable`: the protocol leaves no room for it.
 */
export type Verdict = 'pass' | 'fail' | 'implicit' | 'simulated' | 'not-yet' | 'not-applicable'

export interface Capability {
  readonly id: `${ScenarioId}.C${number}`
  readonly scenario: ScenarioId
  /** As the playbook has it (Tables 2-1 to 2-6). */
  readonly title: string
  readonly statement: string
  /** The builds that it does not apply to, each with the reason. It applies to all others. */
  readonly notApplicable?: Readonly<Partial<Record<BuildId, string>>>
}

const factoryProvisioning = [
  {
    id: 'S0.C1',
    scenario: 'S0',
    title: 'Birth Credential Generation and Storage',
    statement: 'The birth credential is made in secure storage, or put there, in the form that the protocol needs.',
  },
  {
    id: 'S0.C2',
    scenario: 'S0',
    title: 'Birth Credential Signing',
    statement: 'A trusted CA signs the birth credential.',
    notApplicable: {
      thread: 'A Thread joiner starts from a device password; there is no certificate to sign.',
    },
  },
  {
    id: 'S0.C3',
    scenario: 'S0',
    title: 'Bootstrapping Information Availability',
    statement: 'What onboarding has to know of the device is where it will be needed.',
  },
] as const satisfies readonly Capability[]

const networkOnboarding = [
  {
    id: 'S1.C1',
    scenario: 'S1',
    title: 'Device Authentication',
    statement: 'The network verifies who the device is.',
  },
  {
    id: 'S1.C2',
    scenario: 'S1',
    title: 'Device Authorization',
    statement: 'The network checks that it wants this device.',
  },
  {
    id: 'S1.C3',
    scenario: 'S1',
    title: 'Network Authentication',
    statement: 'The device can verify which network this is.',
  },
  {
    id: 'S1.C4',
    scenario: 'S1',
    title: 'Network Authorization',
    statement: 'The device can verify that this network may take control of it.',
  },
  {
    id: 'S1.C5',
    scenario: 'S1',
    title: 'Secure Local Credentialing',
    statement: 'The device gets its network credential over a secure channel.',
  },
  {
    id: 'S1.C6',
    scenario: 'S1',
    title: 'Secure Storage',
    statement: 'The credential is kept in storage that hardware protects.',
  },
  {
    id: 'S1.C7',
    scenario: 'S1',
    title: 'Network Selection',
    statement: 'The device is told the identifier of the network that it shall join.',
  },
  {
    id: 'S1.C8',
    scenario: 'S1',
    title: 'Interoperability',
    statement: 'Devices of at least two types are onboarded.',
  },
] as const satisfies readonly Capability[]

const applicationOnboarding = [
  {
    id: 'S2.C1',
    scenario: 'S2',
    title: 'Automatic Initiation of Streamlined Application-Layer Onboarding',
    statement: 'The device goes on to its application by itself, with what network-layer onboarding told it.',
  },
  {
    id: 'S2.C2',
    scenario: 'S2',
    title: 'Automatic Initiation of Independent Application-Layer Onboarding',
    statement: 'The device goes on to its application by itself, with what the factory put into it.',
  },
  {
    id: 'S2.C3',
    scenario: 'S2',
    title: 'Trusted Application-Layer Onboarding',
    statement: 'Device and application service set up an encrypted channel, giving nothing away, and use it.',
  },
] as const satisfies readonly Capability[]

const reOnboarding = [
  {
    id: 'S3.C1',
    scenario: 'S3',
    title: 'Credential Deletion',
    statement: 'The network credential of the device can be deleted.',
  },
  {
    id: 'S3.C2',
    scenario: 'S3',
    title: 'De-Credentialed Device Cannot Connect',
    statement: 'A device whose credential was deleted cannot connect or communicate securely.',
  },
  {
    id: 'S3.C3',
    scenario: 'S3',
    title: 'Re-Onboarding (network layer)',
    statement: 'After the deletion the device can be onboarded again and connects.',
  },
  {
    id: 'S3.C4',
    scenario: 'S3',
    title: 'Re-Onboarding (application layer)',
    statement: 'After that, application-layer onboarding works again too.',
  },
] as const satisfies readonly Capability[]

const ongoingValidation = [
  {
    id: 'S4.C1',
    scenario: 'S4',
    title: 'Device Attestation (initial)',
    statement: 'Without successful attestation the network does not onboard the device.',
  },
  {
    id: 'S4.C2',
    scenario: 'S4',
    title: 'Device Attestation (application layer)',
    statement: 'Without successful attestation the application service does not onboard the device.',
  },
  {
    id: 'S4.C3',
    scenario: 'S4',
    title: 'Device Attestation (ongoing)',
    statement: 'Later operations, such as reaching a valuable resource, need successful attestation.',
  },
  {
    id: 'S4.C4',
    scenario: 'S4',
    title: 'Local Network Segmentation (initial)',
    statement: 'On connection the device is put into the network segment that policy says.',
  },
  {
    id: 'S4.C5',
    scenario: 'S4',
    title: 'Behavioral Analysis',
    statement: 'What the device does is watched and held against policy.',
  },
  {
    id: 'S4.C6',
    scenario: 'S4',
    title: 'Local Network Segmentation (ongoing)',
    statement: 'The device can be moved to another segment when it no longer meets policy.',
  },
  {
    id: 'S4.C7',
    scenario: 'S4',
    title: 'Periodic Device Reauthentication',
    statement: 'To stay connected the device proves again, from time to time, who it is.',
  },
  {
    id: 'S4.C8',
    scenario: 'S4',
    title: 'Periodic Device Reauthorization',
    statement: 'To stay connected the device needs its right to access confirmed from time to time.',
  },
] as const satisfies readonly Capability[]

const posture = [
  {
    id: 'S5.C1',
    scenario: 'S5',
    title: 'Trusted Firmware Updates',
    statement: 'The device fetches the newest firmware and verifies its signature before it installs it.',
  },
  {
    id: 'S5.C2',
    scenario: 'S5',
    title: 'Credential Certificate Provisioning',
    statement: 'Onboarding has a CA sign a certificate for the device and provisions it.',
    notApplicable: {
      thread: 'The network credential of Thread is a dataset with a network key; no CA takes part.',
    },
  },
  {
    id: 'S5.C3',
    scenario: 'S5',
    title: 'Credential Update',
    statement: 'A network credential that has expired can be updated.',
  },
  {
    id: 'S5.C4',
    scenario: 'S5',
    title: 'Server Attestation',
    statement: 'Without successful attestation a server does not act on the device.',
  },
  {
    id: 'S5.C5',
    scenario: 'S5',
    title: 'Secure Integration with MUD',
    statement: 'The intent of the device, such as its MUD URL, reaches the network encrypted and bound to the device.',
  },
  {
    id: 'S5.C6',
    scenario: 'S5',
    title: 'Lifecycle Management Establishment',
    statement: 'The device sets up a secure association with its lifecycle management service by itself.',
  },
] as const satisfies readonly Capability[]

/** All 32, in the order of the playbook. */
export const capabilities = [
  ...factoryProvisioning,
  ...networkOnboarding,
  ...applicationOnboarding,
  ...reOnboarding,
  ...ongoingValidation,
  ...posture,
] as const

export type CapabilityId = (typeof capabilities)[number]['id']

/** Why `capability` does not apply to `build`; undefined when it does. */
export function inapplicability(capability: Capability, build: BuildId): string | undefined {
  return capability.notApplicable?.[build]
}

/** The builds on which `capability` can be shown, once they are built. */
export function buildsFor(capability: Capability): readonly BuildId[] {
  return builds.map(({ id }) => id).filter(id => inapplicability(capability, id) === undefined)
}
