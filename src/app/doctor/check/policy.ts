import { hash } from 'node:crypto'
import { failureSetting, type PolicyFailure, stateName } from '../../../role/authorization/policy-point.ts'
import { type Check, fail, ok, site } from '../check.ts'

export const policy: Check = {
  id: 'policy',
  title: 'Policies',
  about:
    'Fails when a policy of the version that counts could not be evaluated, or when its text on record is not the one that ' +
    'was activated: then nobody is admitted, and who is in is left alone.',
  party: site,
  needs: 'record',
  async run({ record }) {
    const { state, version, failure } = await record.read(async tables => {
      const state = await tables.policyState.get(stateName)
      const { active } = state ?? {}
      const version = active === undefined ? undefined : await tables.policy.get(active)
      return { state, version, failure: (await tables.setting.get(failureSetting))?.value }
    })
    if (state?.active === undefined) return ok('The profile that the site was started with counts.')
    if (version === undefined || hash('sha256', version.source) !== state.activeHash) {
      return fail(
        `The text of policy version ${state.active} is not the one that was activated; nobody is admitted.`,
        'Run `mooring audit verify`, find out who wrote to the record, and activate a version that is whole.',
      )
    }
    if (failure !== undefined) {
      const { policy, message, at, device } = failure as PolicyFailure
      return fail(
        `Policy ${policy} of version ${state.active} could not be evaluated; whom it concerns is refused.`,
        'Correct that policy and activate the new version, or go back to the one before.',
        [`${new Date(at).toISOString()} for device ${device}: ${message}`],
      )
    }
    return ok(`Version ${state.active} counts.`)
  },
}
