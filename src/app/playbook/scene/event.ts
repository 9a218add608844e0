import { deviceId } from '../../../domain/device.ts'
import type { StoredEvent } from '../../../domain/event.ts'
import type { VirtualDevice } from '../device.ts'

/** Chooses events of a device's own record at a site. */
export function onDevice(
  { maker, serial }: VirtualDevice,
  kind: string,
  fits: (body: StoredEvent['body']) => boolean = () => true,
) {
  const stream = `device/${deviceId(maker.name, serial)}`
  return (event: StoredEvent): boolean => event.stream === stream && event.kind === kind && fits(event.body)
}

/** Chooses refusals of strangers: peers that proved nothing. */
export function strangerRefused(code: string) {
  return (event: StoredEvent): boolean => event.kind === 'stranger-refused' && event.body['code'] === code
}

/** Chooses events of a unit in its maker's ledger; of any kind when none is named. */
export function onUnit(serial: string, kind?: string) {
  return (event: StoredEvent): boolean =>
    event.stream === `unit/${serial}` && (kind === undefined || event.kind === kind)
}

/** Chooses the MASA's log entries about a unit (RFC 8995 section 5.6: logged, then signed). */
export function voucherLogged(serial: string, fits: (body: StoredEvent['body']) => boolean = () => true) {
  return (event: StoredEvent): boolean =>
    event.kind === 'voucher-logged' && event.body['serial'] === serial && fits(event.body)
}
