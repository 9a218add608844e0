/** What has become of a code. Kept by whoever keeps the code: a restart must not give it new lives. */
export interface PkexCodeLife {
  /** Times that somebody had a try at it. */
  readonly tries: number
  /** It has bootstrapped somebody. */
  readonly spent: boolean
}

export const newPkexCode: PkexCodeLife = { tries: 0, spent: false }

/** Five wrong guesses end a code of any length, as they do at hostap. */
export const maxPkexTries = 5

/**
 * A code that was used is gone: who took part once knows Q, and would read the next exchange under the same code
 * (CVE-2022-37660).
 */
export function isPkexCodeUsable({ tries, spent }: PkexCodeLife): boolean {
  return !spent && tries < maxPkexTries
}

export function pkexCodeTried(life: PkexCodeLife): PkexCodeLife {
  return { ...life, tries: life.tries + 1 }
}

export function pkexCodeSpent(life: PkexCodeLife): PkexCodeLife {
  return { ...life, spent: true }
}
