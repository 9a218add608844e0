import { both, type Check, fail, ok, skipped } from '../check.ts'

export const masa: Check = {
  id: 'masa',
  title: 'Manufacturers’ services',
  about:
    'With --network connects to the MASA of every trusted manufacturer whose address is known, by the same rules as ' +
    'onboarding does: name, chain to the trusted anchors, time. Fails for each that does not answer or is not who it should ' +
    'be. Of a manufacturer, its own MASA.',
  party: both,
  needs: 'record',
  async run({ terms, probes }) {
    if (!terms.network) return skipped('Asked only with --network.')
    const found = await probes()
    if (found.length === 0) return skipped('No address of a MASA is known; birth certificates name it.')
    const bad = found.filter(({ failure }) => failure !== undefined)
    const evidence = found.map(({ name, url, failure, milliseconds }) =>
      failure === undefined
        ? `${name}: ${url} answered in ${milliseconds} ms`
        : `${name}: ${url} ${failure.code} ${Object.values(failure.detail).join(' ')}`,
    )
    if (bad.length === 0) return ok(`${found.length === 1 ? 'It answers' : 'All answer'}.`, evidence)
    const { failure, name } = bad[0]!
    return fail(`The MASA of ${name}: ${failure!.entry.title}.`, failure!.entry.action, evidence)
  },
}
