import { hash, randomBytes } from 'node:crypto'
import { decodeJws } from '../../../src/codec/jws.ts'
import { extendedKeyUsageOid } from '../../../src/codec/x509/extension.ts'
import { type DeviceInformationDeclaration, decodeDeclaration, type Party } from '../../../src/domain/declaration.ts'
import type { UnitRecord } from '../../../src/domain/manufacture.ts'
import { type OwnershipRequest, secretHashOf, signOwnershipRequest } from '../../../src/domain/ownership-request.ts'
import type { Store } from '../../../src/domain/port.ts'
import { makeUnits } from '../../../src/role/factory/line.ts'
import { buyerCard, sellUnits } from '../../../src/role/factory/sale.ts'
import { createOwnershipService, type OwnershipService } from '../../../src/role/manufacturer/ownership-service.ts'
import { certify, type Entity, eku } from '../../crypto/pki.ts'
import { openTestStore, silentLog } from '../../store.ts'
import { type Factory, now, openFactory } from '../factory/factory.ts'

const registrarUse = eku(extendedKeyUsageOid.cmcRA, extendedKeyUsageOid.serverAuth)
export const day = 86_400_000

/** One who may own devices: a root, and a registrar below it. */
export interface TestParty {
  readonly id: string
  readonly card: Party
  readonly root: Entity
  readonly registrar: Entity
}

export async function party(id: string): Promise<TestParty> {
  const root = await certify({ subject: `${id} root`, ca: true })
  const registrar = await certify({ subject: `${id} registrar`, issuer: root, extensions: [registrarUse] })
  return { id, card: buyerCard({ id, name: `House of ${id}`, certificates: [root.certificate] }), root, registrar }
}

type Bare<T> = T extends unknown ? Omit<T, 'id' | 'manufacturer' | 'roots' | 'at'> : never
export type Wish = Bare<OwnershipRequest>

export interface OwnershipWorld {
  readonly factory: Factory
  readonly time: { now: number }
  readonly service: OwnershipService
  /** Another process of the manufacturer. */
  over(store: Store): OwnershipService
  unit(serial: string): Promise<UnitRecord>
  declared(serial: string): Promise<DeviceInformationDeclaration>
  /** A signed request. */
  ask(by: Pick<TestParty, 'registrar' | 'root'>, wish: Wish, head?: Partial<OwnershipRequest>): Promise<Buffer>
  offer(
    by: TestParty,
    serials: readonly string[],
    change?: Partial<Extract<Wish, { action: 'offer' }>>,
  ): Promise<{ readonly bytes: Buffer; readonly id: string; readonly secret: string }>
  accept(by: TestParty, offer: { readonly id: string; readonly secret: string }, more?: object): Promise<Buffer>
  close(): Promise<void>
}

export const serialOf = (n: number) => `B1-${String(n).padStart(6, '0')}`

/** A manufacturer whose units are sold to `owner`. */
export async function openOwnershipWorld(
  owner: TestParty,
  units = 3,
  open: typeof openTestStore = openTestStore,
): Promise<OwnershipWorld> {
  const factory = await openFactory({}, open)
  const { manufacturer, store } = factory
  const time = { now }
  const clock = () => time.now
  await makeUnits(factory.order({ count: units }))
  await sellUnits(factory, { batch: 'B1' }, { buyer: owner.card })
  const over = (which: Store) =>
    createOwnershipService({ manufacturer, store: which, clock, log: silentLog, requestsPerMinute: 1_000_000 })
  const unit = async (serial: string) => (await store.read(tables => tables.unit.get(serial)))!
  const declared = async (serial: string) =>
    decodeDeclaration(decodeJws(Buffer.from((await unit(serial)).declaration)).payload)
  const ask: OwnershipWorld['ask'] = ({ registrar, root }, wish, head = {}) => {
    const roots = [hash('sha256', manufacturer.masaRoot.spkiDer)]
    const common = { id: randomBytes(16).toString('hex'), manufacturer: 'Acme', roots, at: time.now }
    const request = { ...common, ...wish, ...head } as OwnershipRequest
    return signOwnershipRequest(request, {
      signer: registrar.signer,
      chain: [registrar.certificate, root.certificate],
    })
  }
  return {
    factory,
    time,
    service: over(store),
    over,
    unit,
    declared,
    ask,
    async offer(by, serials, change = {}) {
      const secret = randomBytes(32).toString('hex')
      const devices = await Promise.all(
        serials.map(async serial => {
          const { declarationVersion: version } = await unit(serial)
          return { serial, version, lifecycle: 'US.DEC', wiped: true, onboarded: true }
        }),
      )
      const expiresAt = time.now + 7 * day
      const bytes = await ask(by, { action: 'offer', devices, expiresAt, secretHash: secretHashOf(secret), ...change })
      return { bytes, id: hash('sha256', decodeJws(bytes).payload), secret }
    },
    accept: (by, { id: offer, secret }, more = {}) =>
      ask(by, { action: 'accept', offer, secret, buyer: by.card, ...more }),
    close: () => factory.opened.close(),
  }
}
