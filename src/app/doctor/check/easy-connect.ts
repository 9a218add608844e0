import { activeNetworks } from '../../../role/onboarding/network-definition.ts'
import { type Check, counted, fail, ok, site, skipped, warn } from '../check.ts'
import { nearest } from './crl.ts'

export const easyConnect: Check = {
  id: 'easy-connect',
  title: 'Wi-Fi Easy Connect',
  about:
    'Connects to the port of Easy Connect, from the machine of the site, and fails when nobody answers there. Complains when ' +
    'devices are expected by their codes and the site does not listen for them, or has no wireless network to give them.',
  party: site,
  needs: 'record',
  async run({ host, running, record }) {
    const { keys, networks } = await record.read(async tables => ({
      keys: await tables.bootstrappingKey.find({ state: 'active' }, { limit: 1000 }),
      networks: await activeNetworks(tables),
    }))
    const expected = keys.length > 0 ? `${counted(keys.length, 'code')} on record` : 'no code on record'
    if (running === undefined) return skipped('The site does not run here; `mooring up` starts it.')
    const { dppPort } = running
    if (dppPort === undefined) {
      if (keys.length === 0) return skipped('The site runs without Easy Connect, and no code is on record.')
      return warn(`The site runs without Easy Connect, with ${expected}.`, 'Start it without --no-dpp.')
    }
    try {
      await host.reach(nearest(running.host), dppPort)
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException
      return fail(
        `Nobody answers at port ${dppPort}.`,
        'Look into the log of the site, and whether a firewall of this machine closes the port.',
        [code ?? message],
      )
    }
    if (keys.length > 0 && networks.length === 0) {
      return warn(
        `There is no wireless network to give to devices, with ${expected}.`,
        'Add one with `mooring network add`; a device that comes until then is refused.',
      )
    }
    return ok(`Port ${dppPort} answers, with ${expected} and ${counted(networks.length, 'wireless network')}.`)
  },
}
