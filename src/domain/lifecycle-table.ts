import type { GuardName } from './lifecycle-guard.ts'

/** The states of a device's life (white paper sections 4.1 and 4.2). */
export const lifecycleStates = {
  'SC.RDD': {
    name: 'Research, design, development',
    phase: 'supply-chain',
    note: 'Onboarding and security decisions are made and recorded.',
  },
  'SC.MFG': {
    name: 'Manufacturing',
    phase: 'supply-chain',
    note: 'Identity imprinted, secret installed, manufacturer set as owner, declaration created.',
  },
  'SC.INT': {
    name: 'Integration (inside manufacturing)',
    phase: 'supply-chain',
    note: 'Integrator onboards device briefly to its own network, integrates, disconnects, returns it.',
  },
  'SC.RBR': {
    name: 'Rebranding',
    phase: 'supply-chain',
    note: 'Duty to maintain MUD file and declaration may pass to the rebranding vendor.',
  },
  'SC.TRN': { name: 'Transport', phase: 'supply-chain', note: 'May be entered many times.' },
  'SC.STO': { name: 'Storage', phase: 'supply-chain', note: 'Warehouse before retail or first owner.' },
  'SC.SHL': {
    name: 'Shelf life',
    phase: 'supply-chain',
    note: 'Waiting to be acquired; bootstrapping credential must still be valid.',
  },
  'US.INS': {
    name: 'Installation',
    phase: 'use',
    note: 'Placed, powered, wired if needed; may follow onboarding for sealed-away devices.',
  },
  'US.NLO': {
    name: 'Network-layer onboarding',
    phase: 'use',
    note: 'Bootstrapping, then network credential provisioned.',
  },
  'US.COM': { name: 'Commissioned', phase: 'use', note: 'Securely connected, operational at network layer.' },
  'US.ALO': {
    name: 'Application-layer onboarding',
    phase: 'use',
    note: 'Trusted service installs application or credentials.',
  },
  'US.OPR': { name: 'Operational', phase: 'use', note: 'Application runs as intended.' },
  'US.MTD': {
    name: 'Maintenance, disconnected',
    phase: 'use',
    note: 'Off the network; credentials replaced; re-onboards afterwards.',
  },
  'US.MTC': { name: 'Maintenance, still commissioned', phase: 'use', note: 'On the network but not operational.' },
  'US.UNS': { name: 'Unsupported', phase: 'use', note: 'Works but no maintainer; no more maintenance loops.' },
  'US.DEC': {
    name: 'Decommissioning / decommissioned',
    phase: 'use',
    note: 'Isolated; wiped to bootstrapping credentials only.',
  },
  'US.EOL': { name: 'End of life', phase: 'use', note: 'Never networked again; data removed; destroyed or recycled.' },
} as const satisfies Record<string, StateEntry>

export interface StateEntry {
  readonly name: string
  readonly phase: 'supply-chain' | 'use'
  readonly note: string
}

export type LifecycleState = keyof typeof lifecycleStates
export type SupplyChainState = Extract<LifecycleState, `SC.${string}`>

export const lifecycleStateNames = Object.keys(lifecycleStates) as readonly LifecycleState[]

/** Where a device can be before it is acquired. */
export const supplyChainStates = lifecycleStateNames.filter(
  (state): state is SupplyChainState => lifecycleStates[state].phase === 'supply-chain',
)

/** Who takes a step: the roles of white paper section 5, the parties of section 4.1, and the machine itself. */
export type LifecycleActor =
  | 'device-manufacturer'
  | 'device-system-integrator'
  | 'rebranding-vendor'
  | 'logistics'
  | 'retailer'
  | 'device-purchaser'
  | 'device-owner'
  | 'device-onboarder'
  | 'device-installer'
  | 'device-manager'
  | 'network-onboarding-component'
  | 'application-manager'
  | 'automatic'

export interface TransitionEntry {
  readonly id: string
  readonly from: LifecycleState
  readonly event: string
  readonly to: LifecycleState
  /** Whose step it is. Empty: nobody's, it happens, and anyone may report it. */
  readonly actors: readonly LifecycleActor[]
  /** Absent where the step has no condition. */
  readonly guard?: GuardName
  /** The guard in words. */
  readonly condition: string
  readonly effect: string
}

/** Every step there is: a pair of state and event that is not here is refused. Requirements WP-LT-T01 to T36. */
export const lifecycleTransitions = [
  {
    id: 'T01',
    from: 'SC.RDD',
    event: 'start-production',
    to: 'SC.MFG',
    actors: ['device-manufacturer'],
    guard: 'requirements-fixed',
    condition: 'Onboarding and security requirements are fixed for the model.',
    effect: 'Model record frozen.',
  },
  {
    id: 'T02',
    from: 'SC.MFG',
    event: 'hand-to-integrator',
    to: 'SC.INT',
    actors: ['device-manufacturer'],
    guard: 'integrator-authorized',
    condition: 'Integrator is current owner or authorized onboarder in the signed declaration (if supported).',
    effect: 'Device may onboard to integrator network only.',
  },
  {
    id: 'T03',
    from: 'SC.INT',
    event: 'return-from-integrator',
    to: 'SC.MFG',
    actors: ['device-system-integrator'],
    guard: 'returned-by-integrator',
    condition:
      "Disconnected from integrator network; integrator's credentials removed; ownership or authorization returned.",
    effect: 'May hand to the next integrator.',
  },
  {
    id: 'T04',
    from: 'SC.MFG',
    event: 'release',
    to: 'SC.TRN',
    actors: ['device-manufacturer'],
    guard: 'ready-for-release',
    condition: 'Bootstrapping credential installed and homologation certified.',
    effect: 'Declaration lists manufacturer as owner.',
  },
  {
    id: 'T05',
    from: 'SC.TRN',
    event: 'arrive-rebrander',
    to: 'SC.RBR',
    actors: ['rebranding-vendor'],
    condition: '',
    effect: '',
  },
  {
    id: 'T06',
    from: 'SC.RBR',
    event: 'rebrand-done',
    to: 'SC.TRN',
    actors: ['rebranding-vendor'],
    guard: 'duty-passed',
    condition: 'Maintenance duty for MUD file and declaration securely passed.',
    effect: "New maintainer's key is trusted.",
  },
  {
    id: 'T07',
    from: 'SC.TRN',
    event: 'store',
    to: 'SC.STO',
    actors: ['logistics'],
    condition: '',
    effect: '',
  },
  {
    id: 'T08',
    from: 'SC.STO',
    event: 'ship',
    to: 'SC.TRN',
    actors: ['logistics'],
    condition: '',
    effect: '',
  },
  {
    id: 'T09',
    from: 'SC.TRN',
    event: 'shelve',
    to: 'SC.SHL',
    actors: ['retailer'],
    condition: '',
    effect: '',
  },
  {
    id: 'T10',
    from: 'SC.SHL',
    event: 'acquire',
    to: 'US.INS',
    actors: ['device-purchaser', 'device-owner'],
    guard: 'acquired',
    condition: 'Bootstrapping credential unexpired; transfer-ownership to the buyer completed (if supported).',
    effect: 'Leaves supply chain.',
  },
  {
    id: 'T11',
    from: 'SC.SHL',
    event: 'acquire-onboard-first',
    to: 'US.NLO',
    actors: ['device-purchaser', 'device-owner'],
    guard: 'acquired-to-be-sealed',
    condition: 'As T10; deployment seals the device away.',
    effect: 'Onboarding before installation.',
  },
  {
    id: 'T12',
    from: 'US.INS',
    event: 'enter-onboarding-mode',
    to: 'US.NLO',
    actors: ['device-onboarder'],
    guard: 'admitted-to-onboarding',
    condition: 'Device registered or discoverable; network allowed to onboard it.',
    effect: 'Onboarding mode on.',
  },
  {
    id: 'T13',
    from: 'US.NLO',
    event: 'install-after-onboarding',
    to: 'US.INS',
    actors: ['device-installer'],
    guard: 'onboarded-to-be-sealed',
    condition: 'Onboarding succeeded (sealed-away case).',
    effect: 'Credential kept; next step is connect.',
  },
  {
    id: 'T14',
    from: 'US.NLO',
    event: 'connect',
    to: 'US.COM',
    actors: ['device-manager'],
    guard: 'credential-valid',
    condition: 'Valid onboarding credential present.',
    effect: 'Onboarding mode off; enforcement profile 2 active.',
  },
  {
    id: 'T15',
    from: 'US.INS',
    event: 'connect',
    to: 'US.COM',
    actors: ['device-manager'],
    guard: 'onboarded-before-installation',
    condition: 'Device was onboarded before installation.',
    effect: 'As T14.',
  },
  {
    id: 'T16',
    from: 'US.NLO',
    event: 'onboarding-failed',
    to: 'US.NLO',
    actors: ['network-onboarding-component'],
    guard: 'attempt-failed',
    condition: 'Attempt ended without credential.',
    effect: 'Reason recorded; retry policy; no partial credential.',
  },
  {
    id: 'T17',
    from: 'US.COM',
    event: 'start-application-onboarding',
    to: 'US.ALO',
    actors: ['automatic', 'application-manager'],
    guard: 'application-introduced',
    condition: 'Trusted application bootstrapping information present.',
    effect: 'Only the named services reachable.',
  },
  {
    id: 'T18',
    from: 'US.COM',
    event: 'execute',
    to: 'US.OPR',
    actors: ['automatic', 'application-manager'],
    guard: 'application-installed',
    condition: 'Application already installed.',
    effect: '',
  },
  {
    id: 'T19',
    from: 'US.ALO',
    event: 'execute',
    to: 'US.OPR',
    actors: ['automatic', 'application-manager'],
    guard: 'application-provisioned',
    condition: 'Required applications or credentials installed.',
    effect: 'Operational profile active.',
  },
  {
    id: 'T20',
    from: 'US.OPR',
    event: 'begin-maintenance',
    to: 'US.MTC',
    actors: ['device-manager'],
    guard: 'maintainable-connected',
    condition: 'Maintenance possible while connected (software, firmware, some patches).',
    effect: 'Maintenance profile active; not operational.',
  },
  {
    id: 'T21',
    from: 'US.MTC',
    event: 'maintenance-done',
    to: 'US.OPR',
    actors: ['device-manager'],
    guard: 'application-unchanged',
    condition: 'Application unchanged.',
    effect: 'Operational profile restored.',
  },
  {
    id: 'T22',
    from: 'US.MTC',
    event: 'maintenance-done-app-changed',
    to: 'US.ALO',
    actors: ['application-manager'],
    guard: 'application-changed',
    condition: 'Application patched, upgraded or reconfigured.',
    effect: 'Application onboarding repeats.',
  },
  {
    id: 'T23',
    from: 'US.OPR',
    event: 'disconnect-for-maintenance',
    to: 'US.MTD',
    actors: ['device-manager'],
    guard: 'disconnection-needed',
    condition: 'Work needs disconnection (key replacement, certificate renewal, crypto library, repair).',
    effect: 'Network credential deleted or replaced.',
  },
  {
    id: 'T24',
    from: 'US.MTD',
    event: 'reinstall',
    to: 'US.INS',
    actors: ['device-installer'],
    guard: 'uninstalled',
    condition: 'Device had been uninstalled.',
    effect: '',
  },
  {
    id: 'T25',
    from: 'US.MTD',
    event: 're-onboard',
    to: 'US.NLO',
    actors: ['device-onboarder'],
    guard: 'credential-unusable',
    condition: 'Old network credential no longer usable.',
    effect: 'Full onboarding repeats.',
  },
  {
    id: 'T26',
    from: 'US.OPR',
    event: 'support-ended',
    to: 'US.UNS',
    actors: ['device-manufacturer', 'device-system-integrator'],
    guard: 'support-ended',
    condition: 'Maker or integrator stopped support or closed.',
    effect: 'Maintenance events refused from now on; risk flagged.',
  },
  {
    id: 'T27',
    from: 'US.UNS',
    event: 'disconnect',
    to: 'US.DEC',
    actors: ['device-manager'],
    condition: '',
    effect: 'Decommissioning must follow.',
  },
  {
    id: 'T28',
    from: 'US.UNS',
    event: 'break',
    to: 'US.DEC',
    actors: [],
    guard: 'not-functional',
    condition: 'Device non-functional.',
    effect: 'Next is end of life.',
  },
  {
    id: 'T29',
    from: 'US.OPR',
    event: 'disconnect-for-decommission',
    to: 'US.DEC',
    actors: ['device-manager'],
    guard: 'decision-recorded',
    condition: 'Decision recorded.',
    effect: 'Isolate, revoke, wipe.',
  },
  {
    id: 'T30',
    from: 'US.OPR',
    event: 'break',
    to: 'US.DEC',
    actors: [],
    guard: 'beyond-repair',
    condition: 'Beyond repair.',
    effect: 'As T28.',
  },
  {
    id: 'T31',
    from: 'US.MTD',
    event: 'break',
    to: 'US.DEC',
    actors: [],
    guard: 'beyond-repair',
    condition: 'Beyond repair.',
    effect: 'As T28.',
  },
  {
    id: 'T32',
    from: 'US.MTC',
    event: 'break',
    to: 'US.DEC',
    actors: [],
    guard: 'beyond-repair',
    condition: 'Beyond repair.',
    effect: 'As T28.',
  },
  {
    id: 'T33',
    from: 'US.DEC',
    event: 'retire',
    to: 'US.EOL',
    actors: ['device-manager'],
    guard: 'done-with',
    condition: 'Non-functional, or useless, or never to be networked again; sensitive data removed.',
    effect: 'Destroy or recycle; identity blocked for good.',
  },
  {
    id: 'T34',
    from: 'US.DEC',
    event: 'repurpose-same-owner-new-network',
    to: 'US.INS',
    actors: ['device-manager'],
    guard: 'wiped',
    condition: 'Wiped to bootstrapping credentials.',
    effect: '',
  },
  {
    id: 'T35',
    from: 'US.DEC',
    event: 'repurpose-same-network-new-role',
    to: 'US.NLO',
    actors: ['device-manager'],
    guard: 'wiped-for-onboarding',
    condition: 'Wiped to bootstrapping credentials.',
    effect: '',
  },
  {
    id: 'T36',
    from: 'US.DEC',
    event: 'repurpose-new-owner',
    to: 'US.INS',
    actors: ['device-manager'],
    guard: 'wiped-and-transferred',
    condition: 'transfer-ownership completed first; wiped.',
    effect: "New owner's (or its authorized) network only.",
  },
] as const satisfies readonly TransitionEntry[]

export type TransitionId = (typeof lifecycleTransitions)[number]['id']
export type LifecycleEvent = (typeof lifecycleTransitions)[number]['event']
