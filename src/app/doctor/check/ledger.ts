import { both, type Check, counted, fail, ok } from '../check.ts'

const action =
  'Keep the data directory as evidence, and restore a backup with `mooring restore`; find out who had access.'

export const ledger: Check = {
  id: 'ledger',
  title: 'Ledger',
  about:
    'Verifies the last signed checkpoint and every event behind it; with --full all events, all checkpoints and the current ' +
    'state against them. Fails when anything was altered or is missing.',
  party: both,
  needs: 'record',
  async run({ record, condition, terms }) {
    if (!terms.full) {
      const { end, events, lastCheckpoint } = await condition()
      if (!end.sound) return fail('The end of the ledger does not verify.', action, [end.reason ?? ''])
      const checkpoint =
        lastCheckpoint === undefined ? 'No checkpoint yet' : `Checkpoint ${lastCheckpoint.number} holds`
      return ok(`${checkpoint}, ${counted(end.events, 'event')} behind it verified, of ${events}.`)
    }
    const { integrity, completeness, events, checkpoints, firstBad } = await record.verify()
    if (integrity === 'pass' && completeness !== 'fail') {
      return ok(`${counted(events, 'event')} and ${counted(checkpoints, 'checkpoint')} verified, nothing altered.`)
    }
    const place = firstBad === undefined ? [] : [`${firstBad.lane} ${firstBad.sequence}: ${firstBad.reason}`]
    return fail(integrity === 'fail' ? 'The record was altered.' : 'Part of the record is missing.', action, place)
  },
}
