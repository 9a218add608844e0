import { enterpriseProfile } from './enterprise.ts'
import { homeProfile } from './home.ts'

/** What a site begins with (white paper Table 7-1). */
export const profiles = { home: homeProfile, enterprise: enterpriseProfile } as const

export type ProfileName = keyof typeof profiles

export const profileNames = ['home', 'enterprise'] as const satisfies readonly ProfileName[]
