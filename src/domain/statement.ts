import { hash } from 'node:crypto'
import { confirmationHash } from './confirmation.ts'
import type { NewEvent } from './event.ts'

/**
 * What the events of a stream say about records, so that the current state can be held against the record: who may use the
 * API, whom the site trusts, which credentials are in force, to whom a unit belongs. A device's own record is the fold of its
 * events (`evolveDevice`) and not among them. Members that decide nothing, as the moment of a change, are left out.
 */
export type StatedNoun =
  | 'credential'
  | 'voucher'
  | 'manufacturer'
  | 'manifest'
  | 'document'
  | 'recall'
  | 'subscription'
  | 'issuer'
  | 'token'
  | 'caller'
  | 'callerAuthority'
  | 'safeguard'
  | 'confirmation'
  | 'unit'
  | 'publication'
  | 'feedBuyer'
  | 'issuedVoucher'
  | 'offer'
  | 'policy'
  | 'policyState'
  | 'bootstrappingKey'
  | 'configuratorKey'
  | 'network'
  | 'radiusClient'

type Members = Readonly<Record<string, unknown>>

export interface Statement {
  readonly noun: StatedNoun
  readonly key: string
  /** As `statedView` shows them; absent: the record is gone. */
  readonly members?: Members
}

type Rule = (body: Members, key: string) => readonly Change[]

/** What one event changes: `set` says all anew, `merge` only what it names. */
type Change =
  | { readonly set: Statement }
  | { readonly merge: Required<Statement> }
  /** No other plan of this stream is good any more. */
  | { readonly supersede: true }

const set = (noun: StatedNoun, key: unknown, members?: Members): Change => ({
  set: { noun, key: String(key), ...(members === undefined ? {} : { members }) },
})
const merge = (noun: StatedNoun, key: unknown, members: Members): Change => ({
  merge: { noun, key: String(key), members },
})
const unsaid = ['certificateHash', 'revocationReason', 'network', 'access', 'secretHash'] as const
const planned = (id: unknown, members: Members): Change =>
  set('credential', id, {
    ...members,
    id,
    status: 'planned',
    ...Object.fromEntries(unsaid.map(name => [name, undefined])),
  })
const certified: Rule = ({ credential, certificateHash }) => [
  merge('credential', credential, { status: 'issued', certificateHash }),
]

const declared: Rule = ({ owner, declarationVersion, declarationHash, domains, change }, serial) => [
  merge('unit', serial, { owner, declarationVersion, declarationHash, domains, change }),
]

/** By kind of event. The key is what follows the noun in the name of the stream. */
const rules: Readonly<Record<string, Rule>> = {
  'credential-planned': ({ credential, serialHex, notAfter }, device) => [
    planned(credential, { device, serialHex, notAfter }),
  ],
  'credential-issued': certified,
  'credential-held': ({ credential }) => [merge('credential', credential, { status: 'held' })],
  'credential-released': ({ credential }) => [merge('credential', credential, { status: 'issued' })],
  'credential-revoked': ({ credential, reason }) => [
    merge('credential', credential, { status: 'revoked', revocationReason: reason, secretHash: undefined }),
  ],
  'network-access-granted': ({ credential, network, secretHash, ...access }) => [
    merge('credential', credential, { network, access, secretHash }),
  ],
  'network-defined': ({ by: _by, ...terms }, name) => [set('network', name, networkMembers(terms))],
  'network-removed': (_body, name) => [merge('network', name, { status: 'removed' })],
  'voucher-obtained': ({ voucher, assertion }, device) => [set('voucher', voucher, { device, assertion })],
  'manufacturer-trusted': ({ by: _by, ...terms }, name) => [
    set('manufacturer', name, { masaUrl: undefined, crlHashes: undefined, ...terms }),
  ],
  'manufacturer-crl-taken': ({ crlHashes }, name) => [merge('manufacturer', name, { crlHashes })],
  'manufacturer-distrusted': (_body, name) => [set('manufacturer', name)],
  'manifest-imported': (body, id) => [
    set('manifest', id, body),
    ...[body['components'] ?? []].flat().map(key => set('document', key, { sha256: key })),
  ],
  // A notice stays when another takes its place.
  'recall-imported': ({ by: _by, ...terms }, id) => [
    set('recall', id, terms),
    set('document', terms['notice'], { sha256: terms['notice'] }),
  ],
  'issuer-established': ({ certificate }, name) => [
    set('issuer', name, {
      ...{ certificate, crlNumber: 0, crlPublished: undefined, crlHash: undefined, revoked: false },
    }),
  ],
  'issuer-revoked': (_body, name) => [merge('issuer', name, { revoked: true })],
  'crl-numbered': ({ number }, name) => [merge('issuer', name, { crlNumber: number })],
  'crl-published': ({ number, sha256 }, name) => [merge('issuer', name, { crlPublished: number, crlHash: sha256 })],
  'token-created': ({ name, party, roles, role, tokenHash, expiresAt, madeBy }, id) => [
    set('token', id, { name, party, roles, role, hash: tokenHash, expiresAt, madeBy, revoked: false }),
  ],
  'token-revoked': (_body, id) => [merge('token', id, { revoked: true })],
  'caller-authority-trusted': ({ anchors, crlHashes }, name) => [
    set('callerAuthority', name, { anchors, crlHashes, removed: false }),
  ],
  'caller-crls-given': ({ crlHashes }, name) => [merge('callerAuthority', name, { crlHashes })],
  'caller-authority-distrusted': (_body, name) => [merge('callerAuthority', name, { removed: true })],
  'caller-admitted': ({ authority, identity, party, roles, expiresAt, madeBy }, id) => [
    set('caller', id, { authority, identity, party, roles, expiresAt, madeBy, removed: false }),
  ],
  'safeguard-set': ({ on, since }, name) => [set('safeguard', name, { on, since })],
  'confirmation-requested': (body, id) => [set('confirmation', id, { wish: undefined, ...body, status: 'pending' })],
  'confirmation-expired': (_body, id) => [merge('confirmation', id, { status: 'expired' })],
  'confirmation-confirmed': (body, id) => [merge('confirmation', id, body)],
  'confirmation-declined': (body, id) => [merge('confirmation', id, body)],
  'confirmation-released': (body, id) => [merge('confirmation', id, body)],
  'confirmation-finished': (body, id) => [merge('confirmation', id, body)],
  'caller-removed': (_body, id) => [merge('caller', id, { removed: true })],
  'unit-planned': ({ credential, serialHex, keyHash }, serial) => [
    { supersede: true },
    planned(credential, { device: serial, serialHex, keyHash }),
  ],
  'unit-certified': certified,
  'unit-made': ({ batch, owner, declarationVersion, declarationHash, domains, ...keys }, serial) => [
    set('unit', serial, {
      ...{ batch, owner, declarationVersion, declarationHash, domains, bootstrappingUri: undefined, ...keys },
      lifecycle: undefined,
      movedBy: undefined,
      withdrawn: false,
    }),
  ],
  'ownership-transferred': declared,
  'onboarder-granted': declared,
  'onboarder-revoked': declared,
  'intent-declared': declared,
  'declaration-resigned': ({ declarationHash }, serial) => [merge('unit', serial, { declarationHash })],
  'ownership-offered': ({ by: _by, ...body }, id) => [
    set('offer', id, { buyer: undefined, ...body, state: 'open', versions: undefined, acceptedBy: undefined }),
  ],
  'offer-accepted': ({ versions, acceptedBy }, id) => [merge('offer', id, { state: 'accepted', versions, acceptedBy })],
  'offer-revoked': (_body, id) => [merge('offer', id, { state: 'revoked' })],
  'unit-moved': ({ to, transition }, serial) => [merge('unit', serial, { lifecycle: to, movedBy: transition })],
  'unit-withdrawn': (_body, serial) => [merge('unit', serial, { withdrawn: true })],
  'feed-subscribed': ({ by: _by, ...terms }, manufacturer) => [set('subscription', manufacturer, terms)],
  'feed-unsubscribed': (_body, manufacturer) => [merge('subscription', manufacturer, { status: 'removed' })],
  'buyer-added': ({ by: _by, ...terms }, id) => [set('feedBuyer', id, { noticeUrl: undefined, ...terms })],
  'buyer-removed': (_body, id) => [merge('feedBuyer', id, { status: 'removed' })],
  published: ({ id, ...terms }) => [
    set('publication', id, terms),
    set('document', terms['document'], { sha256: terms['document'] }),
  ],
  'policy-drafted': ({ policy, name, sha256: sourceHash, drafts }, set_) => [
    set('policy', policy, { name, sourceHash }),
    merge('policyState', set_, { drafts }),
  ],
  'policy-activated': ({ policy: active, sha256: activeHash, previous }, set_) => [
    merge('policyState', set_, { active, activeHash, previous }),
  ],
  'bootstrapping-key-added': ({ key, by: addedBy, ...terms }, device) => [
    set('bootstrappingKey', key, { declaration: undefined, ...terms, device, addedBy, state: 'active' }),
    ...[terms['declaration'] ?? []].flat().map(id => set('document', id, { sha256: id })),
  ],
  'bootstrapping-key-removed': ({ key }) => [merge('bootstrappingKey', key, { state: 'removed' })],
  'configurator-key-established': ({ key, use, curve, spki, source }) => [
    set('configuratorKey', key, { use, curve, spki, source, state: 'current' }),
  ],
  'configurator-key-retired': ({ key }) => [merge('configuratorKey', key, { state: 'former' })],
  'radius-client-added': ({ address, disconnectPort, secretHash }, name) => [
    set('radiusClient', name, { status: 'active', address, disconnectPort, secretHash }),
  ],
  'radius-client-removed': (_body, name) => [merge('radiusClient', name, { status: 'removed' })],
  'voucher-logged': body => [set('issuedVoucher', body['id'], body)],
}

/** The statements of a stream after one more event. `key`: what follows the noun in the name of the stream. */
export function evolveStatements(before: readonly Statement[], key: string, event: NewEvent): readonly Statement[] {
  const rule = Object.hasOwn(rules, event.kind) ? rules[event.kind] : undefined
  return rule === undefined ? before : rule(event.body, key).reduce(apply, before)
}

function apply(before: readonly Statement[], change: Change): readonly Statement[] {
  if ('supersede' in change) return before.map(superseded)
  const next = 'set' in change ? change.set : change.merge
  const known = before.find(({ noun, key }) => noun === next.noun && key === next.key)
  const stated = 'set' in change ? next : { ...next, members: { ...known?.members, ...change.merge.members } }
  return [...before.filter(each => each !== known), stated]
}

function superseded(statement: Statement): Statement {
  if (statement.members?.['status'] !== 'planned') return statement
  return { ...statement, members: { ...statement.members, status: 'superseded' } }
}

/** A record with what events say of it in other words: hashes in place of contents, and whether in place of when. */
export function statedView(noun: StatedNoun, record: Members): Members {
  const { certificate, tbs, crl, crls, declaration, revokedAt, removedAt, withdrawnAt } = record
  if (noun === 'credential') {
    return { ...record, ...accessView(record['access']), id: sha256(tbs), certificateHash: sha256(certificate) }
  }
  if (noun === 'issuer') return { ...record, crlHash: sha256(crl), revoked: revokedAt !== undefined }
  if (noun === 'manufacturer') {
    const { statementCrls } = record
    return { ...record, crlHashes: Array.isArray(statementCrls) ? statementCrls.map(sha256) : undefined }
  }
  if (noun === 'document') return { ...record, sha256: sha256(record['file']) }
  if (noun === 'token') return { ...record, revoked: revokedAt !== undefined }
  // The hash of the text itself: one that was put beside another text does not count.
  if (noun === 'policy') return { ...record, sourceHash: hash('sha256', String(record['source'])) }
  if (noun === 'confirmation') {
    // The hash of what is there: an input that was put in place of another does not count.
    const inputHash = confirmationHash(String(record['operation']), String(record['input']))
    return { ...record, inputHash }
  }
  if (noun === 'caller') return { ...record, removed: removedAt !== undefined }
  if (noun === 'callerAuthority') {
    const crlHashes = Array.isArray(crls) ? crls.map(sha256) : undefined
    return { ...record, crlHashes, removed: removedAt !== undefined }
  }
  if (noun === 'bootstrappingKey') return { ...record, uriHash: hash('sha256', String(record['uri'])) }
  if (noun === 'radiusClient') return { ...record, secretHash: hash('sha256', String(record['box'])) }
  if (noun !== 'unit') return record
  // A sealed one says what it is sealed as.
  const plain = typeof declaration === 'string' ? hash('sha256', declaration) : undefined
  return { ...record, withdrawn: withdrawnAt !== undefined, declarationHash: record['declarationHash'] ?? plain }
}

/** What is absent is so in the record, too. */
function networkMembers(terms: Members): Members {
  return { connectorLifetimeDays: undefined, dot1x: undefined, ...terms, status: 'active' }
}

/** A sealed secret by its hash; one that came back after its end has no statement. */
function accessView(access: unknown): Members {
  if (typeof access !== 'object' || access === null) return {}
  const { box, ...rest } = access as Members
  return { access: rest, secretHash: typeof box === 'string' ? hash('sha256', box) : undefined }
}

/** Of base64 text. */
function sha256(text: unknown): string | undefined {
  return typeof text === 'string' ? hash('sha256', Buffer.from(text, 'base64')) : undefined
}
