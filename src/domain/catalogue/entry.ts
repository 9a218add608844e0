/** What a person is told about a code. */
export interface ErrorEntry {
  /** Short noun phrase, sentence case, no full stop. */
  readonly title: string
  /** What happened, in plain words. */
  readonly cause: string
  /** What to do next. */
  readonly action: string
  /** HTTP status at the edge where no protocol asks for another. */
  readonly status: number
}
