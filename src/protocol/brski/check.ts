/** The checks by role, under one name for the roles. */
export { deviceSerialNumber, idevidIssuer } from './idevid.ts'
export {
  type CheckedRegistrarRequest,
  checkRegistrarRequest,
  type LoggedReason,
  type RegistrarRequestContext,
} from './masa-check.ts'
export {
  type AcceptedVoucher,
  checkVoucher,
  type Pin,
  type PinnedContext,
  type VoucherContext,
  verifyPinned,
} from './pledge-check.ts'
export {
  type CheckedPledgeRequest,
  checkMasaAnswer,
  checkPledgeRequest,
  type MasaAnswerContext,
  type PledgeRequestContext,
} from './registrar-check.ts'
