/** What the examples of the API speak of: one device, one person, one moment. */
export const at = '2026-11-20T09:30:00.000Z'
export const hash = '5f2b6a0c4d9e8f7a6b5c4d3e2f1a0b9c8d7e6f5a4b3c2d1e0f9a8b7c6d5e4f3a'
export const id = '8f14e45fceea167a5a36dedd'
export const by = 'first-administrator (token/3f9a0c5b7d1e2f4a6b)'

export const device = {
  id,
  manufacturer: 'fjord',
  serial: 'CL2-000001',
  model: 'Climate 2',
  lifecycle: 'US.COM',
  rung: 'connected' as const,
  standing: 'expected' as const,
  owner: 'harbour',
  credential: hash,
  firstHeardAt: at,
  lastHeardAt: at,
  connectedAt: at,
  components: { verdict: 'match' as const, at, differences: 0 },
  possible: ['start-application-onboarding', 'execute'],
}
