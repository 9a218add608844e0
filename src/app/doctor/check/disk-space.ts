import { both, type Check, fail, ok, size, warn } from '../check.ts'

/** Octets. Below the first nothing can be recorded for long, below the second somebody should look. */
const bounds = { fail: 100_000_000, warn: 1_000_000_000 }

export const diskSpace: Check = {
  id: 'disk-space',
  title: 'Disk space',
  about: `Warns below ${size(bounds.warn)} of free space where the data directory is, fails below ${size(bounds.fail)}.`,
  party: both,
  needs: 'data',
  async run({ data, host }) {
    const { free, total } = await host.disk(data)
    const finding = `${size(free)} of ${size(total)} are free.`
    const action = 'Free disk space: without it nothing is recorded, and what is not recorded is refused.'
    if (free < bounds.fail) return fail(finding, action)
    return free < bounds.warn ? warn(finding, action) : ok(finding)
  },
}
