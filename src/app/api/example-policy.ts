import type { policyOperations } from './contract/policy.ts'
import type { Api } from './contract.ts'
import type { Example } from './example.ts'
import { at, by, device, hash, id } from './example-device.ts'

const policySource =
  '@id("expected")\npermit (principal, action, resource) when { principal.standing == "expected" };\n'
const policyVersion = {
  version: 3,
  name: 'quay-cameras',
  status: 'active' as const,
  sha256: hash,
  createdAt: at,
  createdBy: by,
  activatedAt: at,
}
const policyFacts = {
  device: id,
  serial: 'CL2-000001',
  manufacturer: 'fjord',
  model: 'Climate 2',
  standing: 'expected',
  owner: 'harbour',
  lifecycle: 'US.COM',
  posture: 'unknown',
  network: 'harbour-iot',
  site: 'harbour',
  protocol: 'brski',
  now: 1795167000,
}
const outline = { id: 'home-expected', effect: 'permit' as const, advice: 'On the manifest of a purchase.', line: 2 }
const reconfirmation = {
  state: 'under-way' as const,
  cause: 'activation' as const,
  startedAt: at,
  checked: 4000,
  of: 10_000,
  changed: 14,
  refused: 14,
  revoked: 0,
  failed: 0,
}
const impact = {
  device: id,
  manufacturer: 'fjord',
  serial: 'CL2-000001',
  question: 'stay' as const,
  effect: 'drop' as const,
  before: 'permit' as const,
  after: 'refuse' as const,
  code: 'policy-refused',
  policies: ['no-old-cameras'],
  segment: 'devices',
  revoke: false,
}

/** Of the operations about policies. */
export const policyExamples: { readonly [N in keyof typeof policyOperations]: Example<Api[N]> } = {
  policyList: { reply: { items: [policyVersion], next: '000003', reconfirmation } },
  policyShow: { reply: { ...policyVersion, source: policySource, policies: [outline] } },
  policyCheck: { body: { source: policySource }, reply: { valid: true, findings: [] } },
  policyDraft: {
    body: { name: 'quay-cameras', source: policySource },
    reply: { ...policyVersion, status: 'draft' },
  },
  policyPreview: {
    body: { source: policySource, limit: 1000 },
    reply: { checked: 1000, of: 10_000, impacts: [impact], next: id },
  },
  policyActivate: { reply: policyVersion },
  policyRollback: { body: { from: '3' }, reply: { ...policyVersion, version: 2, name: 'home' } },
  policyReconfirm: { reply: { ...reconfirmation, cause: 'asked' } },
  policyTry: {
    body: { device: id, action: 'admit' },
    reply: {
      device: id,
      question: 'admit',
      verdict: 'permit',
      version: '3',
      reason: 'version 3: home-expected',
      policies: ['home-expected'],
      advice: ['On the manifest of a purchase.'],
      segment: 'devices',
      services: ['time', 'update'],
      maintain: true,
      revoke: false,
      facts: policyFacts,
    },
  },
  policyExplain: {
    reply: {
      device: id,
      question: 'admit',
      event: 5,
      at,
      verdict: 'admit',
      reasons: [{ rule: 'policy', holds: true, note: 'version 3: home-expected' }],
      version: '3',
      deciding: [outline],
      facts: policyFacts,
      factsHash: hash,
      factsIntact: true,
      reproduced: true,
    },
  },
  devicePosture: { body: { posture: 'suspect', reason: 'talks to a stranger' }, reply: device },
}
