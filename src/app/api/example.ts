import type * as z from 'zod'
import { OnboardingError, problem } from '../../domain/error.ts'
import type { Api, OperationName } from './contract.ts'
import { accessExamples } from './example-access.ts'
import { configuratorExamples } from './example-configurator.ts'
import { at, by, device, hash, id } from './example-device.ts'
import { dppExamples } from './example-dpp.ts'
import { networkExamples } from './example-network.ts'
import { policyExamples } from './example-policy.ts'

/** One example of each operation for the OpenAPI document: an operation without one does not compile. */

export type Example<O> = (O extends { readonly body: infer B extends z.ZodType }
  ? { readonly body: z.input<B> }
  : unknown) & {
  readonly reply: O extends { readonly reply: infer R extends z.ZodType } ? z.input<R> : never
}

const pem = '-----BEGIN CERTIFICATE-----\nMIIB...\n-----END CERTIFICATE-----\n'

const certificate = {
  subject: 'O=harbour-iot, CN=harbour-iot root',
  notBefore: at,
  notAfter: '2046-11-15T09:30:00.000Z',
  successorDue: '2040-03-18T09:30:00.000Z',
}

const affected = {
  credentials: 41,
  devices: 41,
  renewedBy: '2027-08-02T09:30:00.000Z',
  lastEnds: '2027-11-20T09:30:00.000Z',
}

const handOver = {
  device: { ...device, lifecycle: 'US.DEC', possible: ['retire', 'repurpose-new-owner'] },
  state: 'under-way' as const,
  to: 'orchard',
  by,
  begunAt: at,
  steps: [
    {
      step: 'decommission' as const,
      state: 'done' as const,
      words: 'It is off the network, and its credentials are revoked.',
    },
    { step: 'wipe' as const, state: 'done' as const, words: `Reset, says ${by}.` },
    { step: 'transfer' as const, state: 'waiting' as const, words: 'orchard has not accepted the device yet.' },
    { step: 'repurpose' as const, state: 'later' as const, words: '' },
  ],
}

const waiting = {
  id,
  manufacturer: 'fjord',
  serial: 'CL2-000009',
  model: '',
  lifecycle: 'SC.SHL',
  rung: 'authenticated' as const,
  standing: 'waiting' as const,
  owner: '',
  refusal: {
    code: 'device-unexpected',
    title: 'Nobody expects this device',
    action: 'Approve it with `mooring approval grant`, or import the manifest of your purchase.',
    at,
  },
  firstHeardAt: at,
  lastHeardAt: at,
  possible: ['acquire', 'acquire-onboard-first'],
}

const recall = {
  id,
  manufacturer: 'fjord',
  recall: '9f86d081884c7d659a2feaa0c55ad015',
  number: 1,
  status: 'in-force' as const,
  reason: 'vulnerability' as const,
  note: 'Firmware 2.0 accepts unsigned updates.',
  reference: 'https://fjord.example/advisory/7',
  models: [],
  batches: ['CL2'],
  serials: 500,
  treatment: 'hold' as const,
  issuedAt: at,
  importedAt: at,
  importedBy: by,
  work: { state: 'under-way' as const, checked: 4000, of: 10_000, affected: 14, revoked: 0, held: 12, released: 0 },
}

const feed = {
  manufacturer: 'fjord',
  url: 'https://masa.fjord.example/.well-known/mooring/feed',
  intervalMinutes: 360,
  treatment: 'revoke' as const,
  privateAddress: false,
  addedAt: at,
  addedBy: by,
  manifests: 2,
  recalls: 1,
  refused: [],
  pulledAt: at,
  nextAt: at,
}

const event = {
  lane: 'main',
  sequence: 42,
  stream: `device/${id}`,
  version: 7,
  at,
  kind: 'device-connected',
  body: { credential: hash, at: 1795167000000 },
  hash,
}

const manufacturer = {
  name: 'fjord',
  anchors: [{ subject: 'CN=Fjord Sensors device root,O=Fjord Sensors', fingerprint: 'AB:CD:…', notAfter: at }],
  masaUrl: 'https://masa.fjord.example',
  masaAnchors: [{ subject: 'CN=Fjord Sensors MASA root,O=Fjord Sensors', fingerprint: '12:34:…', notAfter: at }],
  masaPrivateAddress: false,
  ignoreIdevidLifetime: false,
  quirks: [],
  addedAt: at,
}

const credential = {
  id: hash,
  device: id,
  kind: 'network' as const,
  status: 'issued' as const,
  serialHex: '5b7d1e2f4a6b',
  issuer: 'issuing-1',
  notBefore: at,
  notAfter: '2027-11-20T09:30:00.000Z',
  certificate: pem,
}

const manifest = { id: hash, manufacturer: 'fjord', devices: 12, importedAt: at, importedBy: by }
const checkpoint = {
  at: 1795167000000,
  lanes: [{ lane: 'main', sequence: 42, hash }],
  previous: hash,
  key: 'MFkw…',
  signature: 'MEUC…',
}
const card = { id: 'quay-integrators', name: 'Quay Integrators', domains: ['q83vEjRWeJC7zN3uAAECAwQFBgc='] }
const offer = {
  id: hash,
  manufacturer: 'fjord',
  serials: ['CL2-000001'],
  buyer: card,
  expiresAt: '2026-12-04T09:30:00.000Z',
  madeAt: at,
  state: 'open' as const,
}
const requested = { request: 'eyJwYXlsb2FkIjoi…', sent: true }
const handed = { manifest: { ...manifest, devices: 1 }, new: 0, updated: 1, unchanged: 0, refused: [] }

const token = {
  id: '3f9a0c5b7d1e2f4a6b',
  name: 'night-shift',
  party: 'harbour',
  roles: ['auditor' as const],
  createdAt: at,
}

const callerAuthority = {
  name: 'harbour-people',
  anchors: [{ subject: 'CN=Harbour people,O=Harbour', fingerprint: 'AB:CD:…', notAfter: at }],
  crls: [{ issuer: 'CN=Harbour people,O=Harbour', issuedAt: at, nextUpdate: at, revoked: 2 }],
  addedAt: at,
}
const caller = {
  id: '3f9a0c5b7d1e2f4a6b',
  authority: 'harbour-people',
  identity: 'email:alice@harbour.example',
  party: 'alice',
  roles: ['device-owner' as const, 'auditor' as const],
  addedAt: at,
}

const request = {
  id: '3f9a0c5b7d1e2f4a6b',
  operation: 'manufacturerDistrust',
  input: { params: { name: 'fjord' } },
  inputHash: hash,
  askedBy: 'alice-laptop (token/3f9a0c5b7d1e2f4a6b)',
  party: 'alice',
  role: 'network-administrator' as const,
  wish: false,
  askedAt: at,
  expiresAt: '2026-11-21T09:30:00.000Z',
  status: 'pending' as const,
}
const decided = { decidedBy: 'email:bob@harbour.example (caller/5b7d1e2f4a6b3f9a0c)', decidedAt: at }

export const examples: {
  readonly operations: { readonly [N in OperationName]: Example<Api[N]> }
  readonly problem: object
  readonly eventStream: string
} = {
  operations: {
    siteShow: {
      reply: {
        network: 'harbour-iot',
        owner: 'harbour',
        version: '0.1.0',
        domainIds: ['q83vEjRWeJC7zN3uAAECAwQFBgc='],
        certificates: [pem, pem, pem],
        onboardingPort: 8443,
        devices: { expected: 3, heard: 0, authenticated: 1, authorized: 0, credentialed: 0, connected: 8 },
      },
    },
    deviceList: { reply: { items: [device], next: id } },
    deviceShow: { reply: device },
    deviceHistory: { reply: { items: [event] } },
    deviceExpect: {
      body: { manufacturer: 'fjord', serial: 'CL2-000009' },
      reply: { ...waiting, rung: 'expected', standing: 'expected' },
    },
    deviceWithdraw: { body: { reason: 'stolen' }, reply: { ...device, rung: 'authenticated', standing: 'withdrawn' } },
    deviceTimeline: {
      reply: {
        items: [
          {
            state: 'US.OPR',
            name: 'Operational',
            since: at,
            from: 'US.COM',
            transition: 'T18',
            event: 'execute',
            actor: 'application-manager',
            by,
            proven: {},
            said: { applicationInstalled: true },
            version: 19,
            hash,
          },
        ],
      },
    },
    deviceAllowed: {
      reply: {
        device,
        version: 18,
        steps: [
          {
            transition: 'T18',
            event: 'execute',
            to: 'US.OPR',
            actors: ['automatic', 'application-manager'],
            verdict: 'when-said',
            missing: [
              { fact: 'applicationInstalled', needed: true, words: 'its application is installed', from: 'person' },
            ],
            words: 'Possible, by automatic or application-manager, who says that its application is installed.',
            condition: 'Application already installed.',
            effect: '',
          },
        ],
      },
    },
    deviceStep: {
      body: { event: 'execute', actor: 'application-manager', facts: { applicationInstalled: true }, version: 18 },
      reply: { ...device, lifecycle: 'US.OPR', possible: ['begin-maintenance', 'disconnect-for-decommission'] },
    },
    deviceWiped: { body: { reason: 'reset by its button' }, reply: handOver.device },
    deviceHandOver: { body: { to: 'orchard', facts: { wiped: true } }, reply: handOver },
    deviceHandOverShow: { reply: handOver },
    deviceHandOverCancel: { reply: { device: handOver.device, state: 'none', steps: [] } },
    approvalList: { reply: { items: [waiting] } },
    approvalGrant: { reply: { ...waiting, standing: 'approved' } },
    approvalDeny: { reply: { ...waiting, standing: 'denied' } },
    manufacturerList: { reply: { items: [manufacturer] } },
    manufacturerTrust: {
      body: { anchors: [pem], masaUrl: 'https://masa.fjord.example', masaAnchors: [pem] },
      reply: { ...manufacturer, warnings: [] },
    },
    manufacturerPreview: {
      body: { anchors: [pem] },
      reply: {
        ...{ known: true, devices: 40, onboarded: 37, mayBeShutOut: 3, warnings: [] },
        anchors: { added: ['CN=Fjord device root 2'], removed: ['CN=Fjord device root'], kept: [] },
        masaAnchors: { added: [], removed: [], kept: ['CN=Fjord MASA root'] },
      },
    },
    manufacturerDistrust: { reply: { removed: 'fjord' } },
    manifestImport: {
      body: { manifest: 'eyJ0eXAiOiJkZXZpY2UtbWFuaWZlc3Qrandz' },
      reply: {
        manifest,
        new: 11,
        updated: 0,
        unchanged: 0,
        refused: [{ serial: 'CL2-000004', code: 'declaration-stale' }],
      },
    },
    manifestList: { reply: { items: [manifest] } },
    ownershipOffer: {
      body: { devices: [id], days: 14, buyer: card },
      reply: { ...requested, offer, file: '{"format":"mooring-offer 1",…}', link: 'mooring-offer:eyJmb3JtYXQi…' },
    },
    ownershipOfferList: { reply: { items: [offer] } },
    ownershipOfferRefresh: { reply: { ...requested, offer: { ...offer, state: 'accepted' }, report: handed } },
    ownershipOfferRevoke: { body: {}, reply: { ...requested, offer: { ...offer, state: 'revoked' } } },
    ownershipAccept: { body: { offer: 'mooring-offer:eyJmb3JtYXQi…' }, reply: { ...requested, report: handed } },
    ownershipGrant: { body: { devices: [id], onboarder: card }, reply: { ...requested, report: handed } },
    ownershipRevoke: {
      body: { devices: [id], onboarder: 'quay-integrators' },
      reply: { ...requested, report: handed },
    },
    ownershipIntend: {
      body: { devices: [id], mudUrl: 'https://mud.quay.example/climate-2.json' },
      reply: { ...requested, report: handed },
    },
    ownershipRefresh: { body: { devices: [id] }, reply: { ...requested, report: handed } },
    ownershipTake: { body: { answer: 'eyJvZmZlciI6e319' }, reply: { report: handed } },
    ownershipShow: {
      reply: {
        device: id,
        manufacturer: 'fjord',
        serial: 'CL2-000001',
        owner: 'harbour',
        declarationVersion: 3,
        right: 'owner' as const,
        onboarders: ['quay-integrators'],
        history: [
          { declarationVersion: 2, owner: 'harbour', right: 'owner' as const, onboarders: [], at },
          { declarationVersion: 3, owner: 'harbour', right: 'owner' as const, onboarders: ['quay-integrators'], at },
        ],
      },
    },
    feedAdd: {
      body: { url: 'https://masa.fjord.example/.well-known/mooring/feed', treatment: 'revoke' },
      reply: feed,
    },
    feedList: { reply: { items: [feed] } },
    feedPull: { reply: feed },
    feedRemove: { reply: { removed: 'fjord' } },
    recallImport: {
      body: { notice: 'eyJ0eXAiOiJkZXZpY2UtcmVjYWxsK2p3cyJ9', treatment: 'hold' },
      reply: { recall, changed: true },
    },
    recallPreview: {
      body: { notice: 'eyJ0eXAiOiJkZXZpY2UtcmVjYWxsK2p3cyJ9' },
      reply: {
        manufacturer: 'fjord',
        recall: '9f86d081884c7d659a2feaa0c55ad015',
        number: 1,
        action: 'withdraw',
        reason: 'vulnerability',
        note: 'Firmware 2.0 accepts unsigned updates.',
        reference: 'https://fjord.example/advisory/7',
        models: [],
        batches: ['CL2'],
        serials: 500,
        hits: 14,
        credentialed: 12,
      },
    },
    recallList: { reply: { items: [recall] } },
    recallShow: { reply: recall },
    ...networkExamples,
    ...dppExamples,
    ...configuratorExamples,
    ...accessExamples,
    ...policyExamples,
    voucherList: {
      reply: {
        items: [
          {
            id: hash,
            device: id,
            assertion: 'proximity',
            nonced: true,
            contentType: 'application/voucher-cms+json',
            obtainedAt: at,
          },
        ],
      },
    },
    credentialList: { reply: { items: [credential] } },
    deviceReport: {
      body: { what: 'lost', reason: 'left on the train' },
      reply: { ...device, rung: 'authenticated', hold: { kind: 'lost', at, by, reason: 'left on the train' } },
    },
    deviceResolveClone: {
      body: { resolution: 'genuine-at', place: '192.0.2.7', minutes: 60 },
      reply: { ...device, rung: 'authenticated', birthBound: { place: '192.0.2.7', until: at } },
    },
    authorityShow: {
      reply: {
        roots: [certificate],
        issuing: [{ ...certificate, name: 'issuing-1', issues: true, keyHere: true, inForce: affected }],
        registrar: certificate,
        renewal: { inForce: 41, dueThisWeek: 2, overdue: 1, expired: 0, graceDays: 0 },
        warnings: [{ warning: '1 renewals-overdue' }],
      },
    },
    authorityRoll: {
      body: { kind: 'root', dryRun: true },
      reply: { kind: 'root', dryRun: true, affected, devices: [id] },
    },
    credentialRevoke: {
      body: { reason: 'keyCompromise' },
      reply: { ...credential, status: 'revoked', revokedAt: at, revocationReason: 'keyCompromise' },
    },
    auditVerify: {
      body: { anchor: checkpoint },
      reply: { integrity: 'pass', completeness: 'pass', events: 42, checkpoints: 3 },
    },
    auditCheckpoint: { reply: checkpoint },
    eventList: { reply: { items: [event], cursor: 'eyJtYWluIjo0Mn0' } },
    tokenList: { reply: { items: [token] } },
    tokenCreate: {
      body: { name: 'night-shift', party: 'harbour', roles: ['auditor'], lifetimeDays: 30 },
      reply: { ...token, expiresAt: '2026-12-20T09:30:00.000Z', token: `mrg_${'x'.repeat(43)}` },
    },
    tokenRevoke: { reply: { ...token, revokedAt: at } },
    siteExamine: {
      body: { full: true, days: 30 },
      reply: {
        party: 'site',
        at,
        running: true,
        status: 'warn',
        counts: { ok: 23, warn: 1, fail: 0, skipped: 1 },
        checks: [
          {
            id: 'backup',
            title: 'Backup',
            status: 'warn',
            finding: 'The last backup is 9 days old.',
            action: 'Run `mooring backup DIRECTORY` once a day, onto another machine.',
            evidence: ['2026-11-11T02:00:00.000Z /mnt/safe/mooring-2026-11-11'],
          },
        ],
      },
    },
    requestList: { reply: { items: [request] } },
    requestMake: {
      body: {
        operation: 'ownershipGrant',
        input: {
          body: { devices: [id], onboarder: { id: 'quay', name: 'Quay', domains: ['q83vEjRWeJC7zN3uAAECAwQFBgc='] } },
        },
      },
      reply: { ...request, operation: 'ownershipGrant', input: { body: { devices: [id] } }, wish: true },
    },
    requestConfirm: { reply: { ...request, ...decided, status: 'done', reply: { removed: 'fjord' } } },
    requestDecline: { reply: { ...request, ...decided, status: 'declined' } },
    fourEyesShow: { reply: { on: false } },
    fourEyesSet: { body: { on: true }, reply: { on: true, since: at, by } },
    callerAuthorityList: { reply: { items: [callerAuthority] } },
    callerAuthorityTrust: { body: { anchors: [pem] }, reply: { ...callerAuthority, crls: [] } },
    callerAuthorityDistrust: { reply: { ...callerAuthority, removedAt: at } },
    callerCrlGive: { body: { crls: ['MIIB'] }, reply: callerAuthority },
    callerList: { reply: { items: [caller] } },
    callerAdmit: {
      body: {
        authority: 'harbour-people',
        identity: 'email:alice@harbour.example',
        party: 'alice',
        roles: ['device-owner', 'auditor'],
      },
      reply: caller,
    },
    callerRemove: { reply: { ...caller, removedAt: at } },
    errorList: {
      reply: {
        items: [
          {
            code: 'not-permitted',
            title: 'Not permitted',
            cause: 'None of the roles of the caller includes the operation.',
            action: 'Use a token with a role that the detail names.',
            status: 403,
          },
        ],
      },
    },
    health: { reply: { status: 'ok' } },
  },
  problem: {
    ...problem(new OnboardingError('device-not-found', { device: id })),
    instance: 'urn:mooring:request:4c1f0a9b2d3e5f6071',
  },
  eventStream: `id: eyJtYWluIjo0Mn0\ndata: ${JSON.stringify(event)}\n\n`,
}
