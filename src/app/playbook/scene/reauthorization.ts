import type { StoredEvent } from '../../../domain/event.ts'
import { profiles } from '../../../role/authorization/profile/profile.ts'
import { askPresence, codeIn } from '../by-hand.ts'
import { equal } from '../demonstration.ts'
import type { Scene } from '../lab.ts'
import { follow } from '../ledger.ts'
import type { Network } from '../party.ts'
import { onDevice } from './event.ts'
import { connectWith, onboarded } from './re-onboarding.ts'

const terms = { network: 'pier', owner: 'pier-master' } as const

/** Scenario 4, as far as there is something of it: the decision that is taken again. No port closes yet. */
export const reauthorizationScene: Scene = [
  {
    capability: 'S4.C8',
    name: 'confirmed-again',
    polarity: 'positive',
    title: 'When other policies count, the right of a device that is in is confirmed again, and it goes on',
    async run(lab) {
      const network = await lab.openNetwork({ ...terms, name: 'pier' })
      const { device, copy } = await onboarded(lab, network)
      const ledger = await follow(network)
      const open = await connectWith(copy, network)
      try {
        equal((await askPresence(open)).status, 200, 'the answer on the open connection before')
        await decideBy(network, profiles.enterprise)
        equal((await askPresence(open)).status, 200, 'the answer on the open connection after')
      } finally {
        open.close()
      }
      const confirmed = onDevice(device, 'stay-decided', ({ verdict }) => verdict === 'permit')
      const events = await ledger.find('the right to stay was confirmed', confirmed)
      return { seen: 'Asked again by the new policies, permitted to stay, its connection as before.', events }
    },
  },
  {
    capability: 'S4.C8',
    name: 'policy-ends-a-live-session',
    polarity: 'negative',
    title: 'A policy that forbids a device to stay ends its access, also on a connection that is open',
    async run(lab) {
      const network = await lab.openNetwork({ ...terms, name: 'pier-2' })
      const [{ device, copy }, other] = [await onboarded(lab, network), await onboarded(lab, network)]
      const ledger = await follow(network)
      const [open, others] = [await connectWith(copy, network), await connectWith(other.copy, network)]
      try {
        equal((await askPresence(open)).status, 200, 'the answer before')
        const serial = JSON.stringify(device.serial)
        const forbid = `@id("not-this-one") forbid (principal, action == Action::"stay", resource) when { principal.serial == ${serial} };`
        await decideBy(network, `${profiles.home}\n${forbid}\n`)
        equal(codeIn(await askPresence(open)), 'policy-refused', 'the answer on the open connection')
        equal((await askPresence(others)).status, 200, 'the answer to the other device')
      } finally {
        open.close()
        others.close()
      }
      const saysWhatWaits = ({ verdict, enforcement }: StoredEvent['body']) =>
        verdict === 'refuse' && typeof enforcement === 'string' && enforcement.includes('waits for network access')
      const refused = onDevice(device, 'stay-decided', saysWhatWaits)
      const events = await ledger.find('the right to stay ended', refused)
      return { seen: 'Refused with policy-refused on the open connection; the other device went on.', events }
    },
  },
  {
    capability: 'S4.C8',
    name: 'withdrawn-claim',
    polarity: 'negative',
    title: 'A device that is reported as suspect loses its access at once, and gets it back when that is taken back',
    async run(lab) {
      const network = await lab.openNetwork({ ...terms, name: 'pier-3' })
      await decideBy(network, profiles.enterprise)
      const { device, copy, record } = await onboarded(lab, network)
      const ledger = await follow(network)
      const days = Math.round((record.notAfter - record.notBefore) / 86_400_000)
      equal(days, 90, 'the lifetime of its credential, by policy')
      const { reconfirmations } = network.site.policies
      const open = await connectWith(copy, network)
      try {
        equal((await askPresence(open)).status, 200, 'the answer before')
        await reconfirmations.statePosture(record.device, { posture: 'suspect', by: 'playbook' })
        equal(codeIn(await askPresence(open)), 'policy-refused', 'the answer while it is suspect')
        await reconfirmations.statePosture(record.device, { posture: 'good', by: 'playbook' })
        equal((await askPresence(open)).status, 200, 'the answer when it is not any more')
      } finally {
        open.close()
      }
      const refused = onDevice(device, 'stay-decided', ({ verdict }) => verdict === 'refuse')
      return {
        seen: 'Refused while suspect, with its credential kept.',
        events: await ledger.find('it was refused', refused),
      }
    },
  },
]

/** From now on these decide, and every device that is in has been asked about. */
async function decideBy({ site }: Network, source: string): Promise<void> {
  const { versions, reconfirmations } = site.policies
  const { id } = await versions.draft({ name: 'playbook', source, by: 'playbook' })
  await versions.activate(id, 'playbook')
  // Here and not by its own worker, so that it is over when this ends.
  await reconfirmations.run()
}
