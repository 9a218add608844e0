/** Why a case is not ours to have, by its name or by the number of its group. */
export const dppOutside: Readonly<Record<string, string>> = {
  '2': 'NFC carries a URI between two phones or a phone and a device; a server has no NFC, and the URI itself is group 1',
  '7': 'push button finds a device by radio, on the access point; no server takes part',
}

/** Why a case has no test yet. */
export const dppGaps: Readonly<Record<string, string>> = {}
