import { type Caller, callerText } from '../../domain/site.ts'
import type { Dispatch, Visit } from '../api/dispatch.ts'
import type { ScimOperations } from './server.ts'

/** SCIM as another language for operations of the API: the same callers, rights, four eyes and records. */
export function scimOperations(dispatch: Dispatch, visit: Visit): ScimOperations {
  let caller: Caller | undefined
  const perform = (
    name: 'deviceExpect' | 'dppKeyAdd' | 'deviceWithdraw' | 'approvalGrant',
    input: Record<string, unknown>,
  ) => dispatch.perform(name, visit.id, { caller, input })
  return {
    async permit(name) {
      caller = await dispatch.permit(name, visit)
      return callerText(caller)
    },
    expect: body => perform('deviceExpect', { body }),
    expectKey: body => perform('dppKeyAdd', { body }),
    withdraw: id => perform('deviceWithdraw', { params: { id }, body: { reason: 'by an asset system' } }),
    grant: id => perform('approvalGrant', { params: { id } }),
  }
}
