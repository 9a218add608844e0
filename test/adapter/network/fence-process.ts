/** Run in a network namespace of its own: a fence, and what the kernel then has. One JSON document. */
import { execFileSync } from 'node:child_process'
import { openFence } from '../../../src/adapter/network/fence.ts'
import { OnboardingError } from '../../../src/domain/error.ts'

const [lamp, meter, ghost] = ['02:00:00:00:00:11', '02:00:00:00:00:12', '02:00:00:00:00:13']
const options = {
  ports: ['p1'],
  segments: [
    { name: 'devices', reach: ['10.20.0.0/16'] },
    { name: 'quarantine', reach: [] },
  ],
  onboarding: [{ address: '10.99.1.2', port: 8443 }],
  lifetime: 45,
}

/** Station to seconds that it may stay, of each segment. */
function inside(): Record<string, number>[] {
  const { nftables } = JSON.parse(execFileSync('nft', ['-j', 'list', 'table', 'inet', 'mooring']).toString()) as {
    nftables: { set?: { name: string; elem?: (string | { elem: { val: string; timeout: number } })[] } }[]
  }
  return nftables.flatMap(({ set }) =>
    set === undefined
      ? []
      : [
          Object.fromEntries(
            (set.elem ?? []).map(each => (typeof each === 'string' ? [each, 0] : [each.elem.val, each.elem.timeout])),
          ),
        ],
  )
}

async function refusal(table: string): Promise<string> {
  try {
    await openFence({ ...options, table })
    return 'none'
  } catch (error) {
    return error instanceof OnboardingError ? error.code : String(error)
  }
}

const fence = await openFence(options)
await fence.admit(lamp, 'devices')
await fence.admit(lamp, 'devices')
const admitted = inside()
execFileSync('nft', ['add', 'element', 'inet', 'mooring', 'inside0', `{ ${ghost} timeout 1h }`])
await fence.hold(
  new Map([
    [lamp, 'quarantine'],
    [meter, 'devices'],
    [ghost, 'unheard-of'],
  ]),
)
const held = inside()
await fence.expel(meter)
const expelled = inside()
await fence.admit(meter, 'devices')
// The one before was killed.
const again = await openFence(options)
const reopened = inside()
await again.close()
const refused = await refusal('mooring { } ; flush ruleset #')
process.stdout.write(JSON.stringify({ admitted, held, expelled, reopened, refused }))
