import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { decodeCertificateList } from '../../src/codec/crl.ts'
import { deviceId } from '../../src/domain/device.ts'
import type { Store } from '../../src/domain/port.ts'
import type { RecallWork } from '../../src/domain/recall.ts'
import { openSmallSite, type Seeded, seed, trustedAs } from './scene.ts'

export interface RecallLabOptions {
  readonly devices: number
  readonly recalled: number
  readonly kills: number
  readonly onProgress?: (text: string) => void
}

export interface RecallReport {
  readonly devices: number
  readonly recalled: number
  /** Processes that were killed in the middle of the work. */
  readonly kills: number
  /** From the start of the import until the first recalled device would have been refused, in the first life. */
  readonly inForceMilliseconds: number
  /** Of all lives together, without their starts. */
  readonly seconds: number
  /** Recalled devices without the recall or with a credential in force, after the last life. */
  readonly lost: number
  /** Devices with one of the two and not the other, looked at after each kill. */
  readonly halfDone: number
  /** Recalled or revoked twice, or not recalled and touched. */
  readonly wrong: number
  readonly ledger: 'pass' | 'fail'
}

const program = fileURLToPath(new URL('process.ts', import.meta.url))

/** A recall whose process is killed again and again, and what is on record then. */
export async function runRecallLab(options: RecallLabOptions): Promise<RecallReport> {
  const data = await mkdtemp(join(tmpdir(), 'mooring-recall-'))
  try {
    const seeded = await seed(data, options, options.onProgress)
    await writeFile(join(data, 'notice'), seeded.notice)
    return await kills(data, seeded, options)
  } finally {
    await rm(data, { recursive: true, force: true })
  }
}

async function kills(data: string, seeded: Seeded, options: RecallLabOptions): Promise<RecallReport> {
  const { devices, recalled } = options
  let [killed, halfDone, milliseconds, life] = [0, 0, 0, 0]
  let inForce: number | undefined
  for (;;) {
    // Somewhere in the part of the work that is left, and a few milliseconds on: within a group, too.
    const part = killed < options.kills ? (killed + Math.random()) / (options.kills + 1) : undefined
    const lived = await live({ data, life: life++, killAt: part === undefined ? undefined : part * devices }, options)
    inForce ??= lived.imported
    milliseconds += lived.milliseconds
    halfDone += await countHalfDone(data, seeded)
    if (!lived.killed) break
    killed++
  }
  const { lost, wrong, ledger } = await conclude(data, seeded)
  const seconds = Math.round(milliseconds / 10) / 100
  return {
    devices,
    recalled,
    kills: killed,
    inForceMilliseconds: Math.round(inForce ?? 0),
    seconds,
    lost,
    halfDone,
    wrong,
    ledger,
  }
}

interface Told {
  readonly imported?: number
  readonly done?: number
  readonly work?: RecallWork
}

async function live(
  { data, life, killAt }: { readonly data: string; readonly life: number; readonly killAt: number | undefined },
  { onProgress = () => {} }: RecallLabOptions,
): Promise<{ readonly killed: boolean; readonly imported: number | undefined; readonly milliseconds: number }> {
  const args = ['--disable-warning=ExperimentalWarning', program, data, String(life)]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = once(child, 'close')
  let imported: number | undefined
  let begun: number | undefined
  let done = false
  for await (const line of createInterface(child.stdout)) {
    const told = JSON.parse(line) as Told
    imported ??= told.imported
    begun ??= performance.now() - (told.imported ?? 0)
    if (told.work !== undefined) onProgress(`looked at ${told.work.checked} of ${told.work.of} devices`)
    done ||= told.done !== undefined
    if (killAt === undefined || done || (told.work?.checked ?? 0) < killAt) continue
    await setTimeout(Math.random() * 8)
    child.kill('SIGKILL')
    break
  }
  const milliseconds = performance.now() - (begun ?? performance.now())
  await ended
  if (child.signalCode === null && child.exitCode !== 0) throw new Error(`the site ended with ${child.exitCode}`)
  return { killed: child.signalCode === 'SIGKILL', imported, milliseconds }
}

interface Seen {
  readonly recalled: boolean
  readonly inForce: number
  readonly revoked: number
  readonly events: readonly string[]
}

async function look(store: Store, serial: string): Promise<Seen> {
  const id = deviceId(trustedAs, serial)
  const { device, credentials } = await store.read(async tables => ({
    device: await tables.device.get(id),
    credentials: await tables.credential.find({ device: id }),
  }))
  const history = await store.history(`device/${id}`)
  return {
    recalled: device?.recalls !== undefined,
    inForce: credentials.filter(({ status }) => status === 'issued').length,
    revoked: credentials.filter(({ status }) => status === 'revoked').length,
    events: history.map(({ kind }) => kind),
  }
}

async function countHalfDone(data: string, { recalled }: Seeded): Promise<number> {
  const { store } = await openSmallSite(data)
  let count = 0
  for (const serial of recalled) {
    const { recalled: marked, inForce, revoked } = await look(store, serial)
    if (marked !== (inForce === 0) || marked !== (revoked === 1)) count++
  }
  await store.close()
  return count
}

async function conclude(
  data: string,
  { recalled, others }: Seeded,
): Promise<Pick<RecallReport, 'lost' | 'wrong' | 'ledger'>> {
  const { store, revocation } = await openSmallSite(data)
  let [lost, wrong] = [0, 0]
  for (const serial of recalled) {
    const seen = await look(store, serial)
    if (!seen.recalled || seen.inForce > 0) lost++
    const times = (kind: string) => seen.events.filter(each => each === kind).length
    if (times('device-recalled') > 1 || times('credential-revoked') > 1) wrong++
  }
  for (const serial of others) {
    const seen = await look(store, serial)
    if (seen.recalled || seen.inForce !== 1 || seen.events.includes('credential-revoked')) wrong++
  }
  const listed = decodeCertificateList(await revocation.crl()).revoked.size
  if (listed !== recalled.length) wrong++
  const [recall] = await store.read(tables => tables.recall.find({}))
  const { state, affected, revoked } = recall?.work ?? {}
  if (state !== 'done' || affected !== recalled.length || revoked !== recalled.length) wrong++
  const { integrity } = await store.verify()
  await store.close()
  return { lost, wrong, ledger: integrity }
}

export function isSound({ lost, halfDone, wrong, ledger }: RecallReport): boolean {
  return lost + halfDone + wrong === 0 && ledger === 'pass'
}
