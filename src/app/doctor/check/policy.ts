import { hash } from 'node:crypto'
import { shown } from '../../../role/authorization/fact.ts'
import { failureSetting, type PolicyFailure, stateName } from '../../../role/authorization/policy-point.ts'
import { type Reconfirmation, reconfirmationSetting } from '../../../role/authorization/reconfirmation.ts'
import { type Check, counted, duration, fail, ok, site, warn } from '../check.ts'
import { hour, type ReadablePatient } from '../patient.ts'

export const policy: Check = {
  id: 'policy',
  title: 'Policies',
  about:
    'Fails when a policy of the version that counts could not be evaluated, or when its text on record is not the one that ' +
    'was activated: then nobody is admitted, and who is in is left alone. Warns when devices may not stay by the policies, ' +
    'and when asking them again has not come to an end for six hours.',
  party: site,
  needs: 'record',
  async run({ record, clock }) {
    const { state, version, failure, last } = await condition(record)
    if (state?.active !== undefined && (version === undefined || hash('sha256', version.source) !== state.activeHash)) {
      return fail(
        `The text of policy version ${shown(state.active)} is not the one that was activated; nobody is admitted.`,
        'Run `mooring audit verify`, find out who wrote to the record, and activate a version that is whole.',
      )
    }
    if (failure !== undefined) {
      const { policy: id, message, at, device, question } = failure
      return fail(
        `${id === '' ? 'The policies' : `Policy ${id}`} of version ${shown(failure.version)} could not be evaluated; whom it concerns is refused.`,
        'Correct that policy and activate the new version, or go back with `mooring policy rollback`.',
        [`${new Date(at).toISOString()}, asked ${question} about device ${device}: ${message}`],
      )
    }
    if (last?.state === 'under-way' && last.startedAt < clock() - 6 * hour) {
      return warn(
        `Asking devices again, begun ${duration(clock() - last.startedAt)} ago, is at ${last.checked} of ${last.of} devices.`,
        'Look into the log of the site.',
      )
    }
    if (last !== undefined && last.refused > 0) {
      return warn(
        `${counted(last.refused, 'device')} may not stay by the policies.`,
        'See why with `mooring policy explain`; closing their ports waits for network access.',
      )
    }
    if (state?.active === undefined) return ok('The profile that the site was started with counts.')
    return ok(`Version ${shown(state.active)} counts.`)
  },
}

function condition(record: ReadablePatient['record']) {
  return record.read(async tables => {
    const state = await tables.policyState.get(stateName)
    const { active } = state ?? {}
    return {
      state,
      version: active === undefined ? undefined : await tables.policy.get(active),
      failure: (await tables.setting.get(failureSetting))?.value as PolicyFailure | undefined,
      last: (await tables.setting.get(reconfirmationSetting))?.value as Reconfirmation | undefined,
    }
  })
}
