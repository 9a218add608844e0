import { both, type Check, fail, ok } from '../check.ts'

const least = [24, 15] as const

export const nodeVersion: Check = {
  id: 'node-version',
  title: 'Node.js',
  about: `Fails below Node.js ${least.join('.')}, which Mooring is built and tested on.`,
  party: both,
  needs: 'nothing',
  async run({ host }) {
    const [major = 0, minor = 0] = host.nodeVersion.split('.').map(Number)
    if (major > least[0] || (major === least[0] && minor >= least[1])) return ok(`Node.js ${host.nodeVersion}.`)
    return fail(
      `Node.js ${host.nodeVersion} is older than ${least.join('.')}.`,
      `Install Node.js ${least[0]} or newer and start Mooring with it.`,
    )
  },
}
