/**
 * A site with its Controller as a process of its own, for bench/dpp.ts: the whole of it, with a durable store. Answers its
 * parent's questions over the channel of child_process.fork, and ends with it.
 */
import { diffieHellman, generateKeyPairSync, sign } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { Session } from 'node:inspector/promises'
import { openLog } from '../src/adapter/telemetry/log.ts'
import { openSite } from '../src/app/site.ts'
import { addNetwork } from '../src/role/onboarding/network-directory.ts'

export type Question =
  /** Expects devices by these codes. */
  | { readonly type: 'expect'; readonly uris: readonly string[] }
  /** CPU time of the operations that nobody can leave out, microseconds. */
  | { readonly type: 'floor'; readonly rounds: number }
  /** How many devices have a Connector, and what the ledger says of itself. */
  | { readonly type: 'tally' }
  | { readonly type: 'profile'; readonly to?: string }
  | { readonly type: 'close' }

export interface Greeting {
  readonly port: number
  /** `DPP:…;;` of the Configurator. */
  readonly uri: string
}

export interface Tally {
  readonly credentials: number
  readonly integrity: string
}

const [data = ''] = process.argv.slice(2)
const site = await openSite({
  network: 'home',
  owner: 'owner-1',
  data,
  host: '127.0.0.1',
  port: 0,
  dpp: { host: '127.0.0.1', port: 0 },
  log: openLog({ level: 'info' }),
})
await addNetwork(
  site,
  'lamps',
  {
    ssid64: Buffer.from('lamps').toString('base64url'),
    akm: 'dpp',
    segments: [{ name: 'devices', group: 'lamps' }],
    passphraseLength: 32,
    channels: [],
    netAccessKeyCurve: 'P-256',
    cSignCurve: 'P-256',
    pmksaCaching: false,
  },
  'bench',
)

async function answer(question: Question): Promise<unknown> {
  switch (question.type) {
    case 'expect':
      for (const uri of question.uris) await site.configurator.bootstrapping.add({ uri }, 'bench')
      return null
    case 'floor':
      return floor(question.rounds)
    case 'tally': {
      const credentials = await site.store.read(tables => tables.credential.count({ status: 'issued' }))
      const { integrity } = await site.store.verify()
      return { credentials, integrity } satisfies Tally
    }
    case 'profile':
      await (question.to === undefined ? startProfile() : stopProfile(question.to))
      return null
    case 'close':
      await site.close()
      return null
  }
}

const pair = () => generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
const [ours, theirs] = [pair(), pair()]
const message = Buffer.alloc(500, 7)

/** A key pair, two key agreements, a signature: one Configurator, once. */
function floor(rounds: number): number {
  const start = process.cpuUsage()
  for (let round = 0; round < rounds; round++) {
    pair()
    diffieHellman({ privateKey: ours.privateKey, publicKey: theirs.publicKey })
    diffieHellman({ privateKey: ours.privateKey, publicKey: theirs.publicKey })
    sign('sha256', message, ours.privateKey)
  }
  const { user, system } = process.cpuUsage(start)
  return (user + system) / rounds
}

let profiler: Session | undefined

async function startProfile(): Promise<void> {
  profiler = new Session()
  profiler.connect()
  await profiler.post('Profiler.enable')
  await profiler.post('Profiler.setSamplingInterval', { interval: 200 })
  await profiler.post('Profiler.start')
}

async function stopProfile(file: string): Promise<void> {
  const profile = await profiler?.post('Profiler.stop')
  writeFileSync(file, JSON.stringify(profile?.profile))
  profiler?.disconnect()
}

process.on('message', ({ id, question }: { readonly id: number; readonly question: Question }) => {
  answer(question).then(
    value => {
      process.send?.({ id, answer: value })
      if (question.type === 'close') process.disconnect()
    },
    (error: unknown) => process.send?.({ id, error: String(error) }),
  )
})
process.on('disconnect', () => process.exit())
const { uri } = await site.configurator.identity()
process.send?.({ port: site.dppPort, uri } as Greeting)
