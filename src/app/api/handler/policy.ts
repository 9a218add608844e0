import { hash } from 'node:crypto'
import { OnboardingError } from '../../../domain/error.ts'
import type { PolicyState, PolicySummary, PolicyVersion } from '../../../domain/policy.ts'
import { type Assessment, assess, recallsOn } from '../../../role/authorization/assessment.ts'
import { explainDecision } from '../../../role/authorization/explanation.ts'
import { policyNote, shown } from '../../../role/authorization/fact.ts'
import { failureSetting, type LoadedPolicies, type PolicyFailure } from '../../../role/authorization/policy-point.ts'
import { policyState, policyVersion, policyVersionId } from '../../../role/authorization/policy-version.ts'
import { previewPolicies } from '../../../role/authorization/preview.ts'
import type { Reconfirmation } from '../../../role/authorization/reconfirmation.ts'
import type { DecisionView, PolicyVersionView, ReconfirmationView } from '../contract/policy.ts'
import type { ApiServices, Handlers } from '../service.ts'
import { deviceView, pageView } from '../view.ts'

type Names =
  | 'policyList'
  | 'policyShow'
  | 'policyCheck'
  | 'policyDraft'
  | 'policyPreview'
  | 'policyActivate'
  | 'policyRollback'
  | 'policyReconfirm'
  | 'policyTry'
  | 'policyExplain'
  | 'devicePosture'

export function policyHandlers(services: ApiServices): Pick<Handlers, Names> {
  const { store, clock, policies } = services
  const { point, versions, reconfirmations, place } = policies
  const state = () => store.read(tables => policyState(tables))

  /** What is to be looked at: a version, a text, or what counts. */
  async function candidate({ version, source }: Candidate): Promise<LoadedPolicies> {
    if (version !== undefined && source !== undefined) {
      throw new OnboardingError('input-invalid', { field: 'source', rule: 'a version or a text, not both' })
    }
    if (source !== undefined) {
      point.engine.load(source)
      return point.open(textVersion(source))
    }
    if (version === undefined) return store.read(tables => point.active(tables))
    return point.open(await store.read(tables => policyVersion(tables, idOf(version))))
  }

  return {
    async policyList({ query: { after = '', limit } }) {
      const found = await store.read(async tables => ({
        items: await tables.policy.find({}, { after, limit }),
        state: await policyState(tables),
        failure: (await tables.setting.get(failureSetting))?.value as PolicyFailure | undefined,
      }))
      const progress = await reconfirmations.progress()
      const { failure } = found
      return {
        ...pageView(found.items, { view: item => versionView(item, found.state), key: ({ id }) => id, limit }),
        ...(progress === undefined ? {} : { reconfirmation: reconfirmationView(progress) }),
        ...(failure === undefined ? {} : { failure: failureView(failure) }),
      }
    },
    async policyShow({ params: { version } }) {
      const found = await store.read(tables => policyVersion(tables, idOf(version)))
      const { set } = point.open(found)
      const policies = (set?.policies ?? []).map(outlineView)
      return { ...versionView(found, await state()), source: found.source, policies }
    },
    async policyCheck({ body: { source } }) {
      const findings = point.engine.check(source)
      return { valid: findings.every(({ severity }) => severity !== 'error'), findings: [...findings] }
    },
    async policyDraft({ body: { name, source } }, { by }) {
      return versionView(await versions.draft({ name, source, by }), await state())
    },
    async policyPreview({ body: { after, limit, ...named } }) {
      const loaded = await candidate(named)
      const page = after === undefined ? { limit } : { after, limit }
      const { checked, impacts, next } = await previewPolicies({ store, clock, point, place }, loaded, page)
      const of = await store.read(tables => tables.device.count())
      const shownImpacts = impacts.map(impact => ({ ...impact, policies: [...impact.policies] }))
      return { checked, of, impacts: shownImpacts, ...(next === undefined ? {} : { next }) }
    },
    async policyActivate({ params: { version } }, { by }) {
      const activated = await versions.activate(idOf(version), by)
      policies.wake()
      return versionView(activated, await state())
    },
    async policyRollback({ body: { from } }, { by }) {
      const activated = await versions.rollback(by, idOf(from))
      policies.wake()
      return versionView(activated, await state())
    },
    async policyReconfirm() {
      const begun = await reconfirmations.start('asked')
      policies.wake()
      return reconfirmationView(begun)
    },
    async policyTry({ body: { device: id, action, ...named } }) {
      const loaded = await candidate(named)
      const assessed = await store.read(async tables => {
        const device = await tables.device.get(id)
        if (device === undefined) throw new OnboardingError('device-not-found', { device: id })
        const recalls = await recallsOn(tables, device)
        return assess(device, action, { policies: loaded, place, recalls, at: clock() })
      })
      return decisionView(id, assessed, loaded.version)
    },
    async policyExplain({ params: { id }, query: { event } }) {
      const { at, basis, again: _, deciding, ...rest } = await explainDecision({ store, point }, id, event)
      return {
        ...rest,
        at: instant(at),
        reasons: [...rest.reasons],
        deciding: deciding.map(outlineView),
        ...(basis === undefined
          ? {}
          : { version: shown(basis.version), facts: { ...basis.facts }, factsHash: basis.factsHash }),
      }
    },
    async devicePosture({ params: { id }, body: { posture, reason } }, { by }) {
      return deviceView(await reconfirmations.statePosture(id, { posture, by, reason }))
    },
  }
}

interface Candidate {
  readonly version?: string | undefined
  readonly source?: string | undefined
}

function idOf(version: string): string {
  return policyVersionId(Number(version))
}

const instant = (at: number): string => new Date(at).toISOString()

/** A text that is not on record, in the form of one that is. */
function textVersion(source: string): PolicyVersion {
  return { id: 'text', name: 'text', source, sourceHash: hash('sha256', source), createdAt: 0, createdBy: '' }
}

function versionView(version: PolicyVersion, { active }: PolicyState): PolicyVersionView {
  const { id, name, sourceHash, createdAt, createdBy, activatedAt } = version
  const former = activatedAt === undefined ? 'draft' : 'former'
  return {
    version: Number(id),
    name,
    status: id === active ? 'active' : former,
    sha256: sourceHash,
    createdAt: instant(createdAt),
    createdBy,
    ...(activatedAt === undefined ? {} : { activatedAt: instant(activatedAt) }),
  }
}

function outlineView({ id, effect, line, advice }: PolicySummary) {
  return { id, effect, line, ...(advice === undefined ? {} : { advice }) }
}

function reconfirmationView(progress: Reconfirmation): ReconfirmationView {
  const { after: _, startedAt, finishedAt, ...rest } = progress
  const finished = finishedAt === undefined ? {} : { finishedAt: instant(finishedAt) }
  return { ...rest, startedAt: instant(startedAt), ...finished }
}

function failureView({ policy, message, device, at }: PolicyFailure) {
  return { policy, message, device, at: instant(at) }
}

function decisionView(device: string, assessed: Assessment, version: string): DecisionView {
  const { question, verdict, code, violation, decision, basis } = assessed
  const coded = code === undefined ? {} : { code }
  const head = { device, question, verdict, ...coded }
  if (decision === undefined || basis === undefined) {
    const nothing = { policies: [], advice: [], services: [], maintain: false, revoke: false }
    return { ...head, ...nothing, reason: violation?.note ?? '' }
  }
  const { failure, policies, advice, services, ...terms } = decision
  return {
    ...terms,
    ...head,
    version: shown(version),
    reason: policyNote(version, decision),
    policies: [...policies],
    advice: [...advice],
    services: [...services],
    facts: { ...basis.facts },
    ...(failure === undefined ? {} : { failure: { ...failure } }),
  }
}
