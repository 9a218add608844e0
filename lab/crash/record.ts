import { hash } from 'node:crypto'
import { decodeCertificate } from '../../src/codec/x509/certificate.ts'
import { deviceId } from '../../src/domain/device.ts'
import type { UnitRecords } from '../all-in-one/message.ts'
import type { Attempt } from '../all-in-one/pledge.ts'

/** What one device saw of the site, over all lives of the site. */
export interface Witness {
  readonly attempt: Attempt
  /** Serial numbers of certificates that came for its one request. */
  readonly serials: Set<string>
}

export interface Findings {
  /** Acknowledged, and not on record or not as it was told. */
  readonly lost: readonly string[]
  /** Two where there may be one. */
  readonly duplicated: readonly string[]
}

export function deviceOf({ unit }: Attempt): { readonly device: string; readonly serial: string } {
  return { device: deviceId('acme', unit.serial), serial: unit.serial }
}

/** Results that the site has acknowledged to this device. */
export function acknowledged({ attempt }: Witness): number {
  const { voucher, voucherAccepted, certificate, enrolled, connected } = attempt
  return [voucher, voucherAccepted, certificate, enrolled, connected].filter(result => result !== undefined).length
}

/** Holds what the device was told against what the record says. */
export function compare({ attempt, serials }: Witness, records: UnitRecords): Findings {
  const serial = attempt.unit.serial
  const lost = missing(attempt, records).map(what => `${serial}: ${what}`)
  const duplicated = doubles(records, serials).map(what => `${serial}: ${what}`)
  return { lost, duplicated }
}

function missing(attempt: Attempt, { device, vouchers, credentials, events, logged }: UnitRecords): string[] {
  const list: string[] = []
  const { request, nonce, voucher, certificate, csr } = attempt
  if (voucher !== undefined) {
    const id = hash('sha256', request!, 'hex')
    const record = vouchers.find(each => each.id === id)
    if (record?.voucher !== voucher.toString('base64')) list.push('its voucher')
    if (!logged.some(entry => entry.nonce === nonce!.toString('base64'))) list.push('the log entry of its voucher')
  }
  if (attempt.voucherAccepted && !events.includes('voucher-status-reported')) list.push('its voucher status')
  if (certificate !== undefined) {
    const requestHash = requestHashOf(device?.id ?? '', csr!)
    const record = credentials.find(each => each.requestHash === requestHash)
    if (record?.status !== 'issued' || record.certificate !== certificate.toString('base64'))
      list.push('its credential')
  }
  if (attempt.enrolled && !events.includes('enroll-status-reported')) list.push('its enrolment status')
  if (attempt.connected && (device?.rung !== 'connected' || !events.includes('device-connected')))
    list.push('its connection')
  return list
}

function requestHashOf(device: string, csr: string): string {
  return hash('sha256', `${device}\0${hash('sha256', Buffer.from(csr, 'base64'), 'hex')}`, 'hex')
}

/** A device of ours makes one request of each kind, ever. */
function doubles({ vouchers, credentials, logged, events }: UnitRecords, serials: ReadonlySet<string>): string[] {
  const counts = {
    'credentials on record': credentials.length,
    'certificates seen for its request': serials.size,
    'vouchers on record': vouchers.length,
    'log entries for its request': logged.length,
    'credentials planned': events.filter(kind => kind === 'credential-planned').length,
    'credentials issued': events.filter(kind => kind === 'credential-issued').length,
  }
  return Object.entries(counts).flatMap(([what, count]) => (count > 1 ? [`${count} ${what}`] : []))
}

export function see(witness: Witness, certificate: Buffer | undefined): void {
  if (certificate !== undefined) witness.serials.add(decodeCertificate(certificate).serialHex)
}
