import { type Check, fail, ok, site, skipped, warn } from '../check.ts'
import { day } from '../patient.ts'

/** Older than this, an anchor leaves much of the record unprotected. */
const old = 30 * day

export const anchor: Check = {
  id: 'anchor',
  title: 'Anchor kept elsewhere',
  about:
    'With --anchor FILE verifies that the record reaches that checkpoint, and fails when it does not. Warns when none was ' +
    'shown, or when it is older than 30 days: whoever can cut the record can cut its checkpoints, too.',
  party: site,
  needs: 'record',
  async run({ record, clock, terms, condition }) {
    const action = 'Run `mooring audit checkpoint > checkpoint.json`, and keep that file on another machine.'
    if ((await condition()).events === 0) return skipped('The record is empty.')
    if (terms.anchor === undefined) return warn('No anchor was shown, so a cut end would not be noticed.', action)
    const { completeness, firstBad } = await record.verify(terms.anchor)
    const made = new Date(terms.anchor.at).toISOString()
    if (completeness !== 'pass') {
      return fail(
        'The record does not reach the anchor: something is missing.',
        'Keep the data directory as evidence, and restore a backup with `mooring restore`.',
        firstBad === undefined ? [] : [firstBad.reason],
      )
    }
    if (terms.anchor.at < clock() - old) return warn(`The anchor is of ${made}.`, action)
    return ok(`The record reaches the anchor of ${made}.`)
  },
}
