/** The 17 states of a device's life (white paper section 4): supply chain, then use. */
export type LifecycleState =
  | 'SC.RDD'
  | 'SC.MFG'
  | 'SC.INT'
  | 'SC.RBR'
  | 'SC.TRN'
  | 'SC.STO'
  | 'SC.SHL'
  | 'US.INS'
  | 'US.NLO'
  | 'US.COM'
  | 'US.ALO'
  | 'US.OPR'
  | 'US.MTD'
  | 'US.MTC'
  | 'US.UNS'
  | 'US.DEC'
  | 'US.EOL'

type Digit = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9

/** The 36 transitions, T01 to T36. */
export type TransitionId = Exclude<`T0${Digit}` | `T1${Digit}` | `T2${Digit}` | `T3${0 | 1 | 2 | 3 | 4 | 5 | 6}`, 'T00'>
