/** The name of a test with the cases of the peer's suite that it covers (docs/coverage-dpp.md). For tables with `dpp`. */
export function tagged(what: string, dpp: string | readonly string[] = []): string {
  return dpp.length === 0 ? what : `${what} [dpp: ${[dpp].flat().join(', ')}]`
}
