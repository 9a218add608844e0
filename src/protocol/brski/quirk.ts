interface QuirkEntry {
  /** On for everybody: the RFCs' own vectors need it. Off: switched on per manufacturer or per configured peer. */
  readonly always: boolean
  /** What is tolerated, and who was seen needing it. */
  readonly about: string
}

/** What fielded peers send that the standards do not allow, by name. Each use is reported, so that it can be logged. */
export const quirks = {
  'cms-id-data': {
    always: true,
    about: 'eContentType id-data instead of id-ct-animaJSONVoucher: every CMS peer, RFC 8995 appendix C',
  },
  'cms-version': {
    always: true,
    about: 'SignedData version that RFC 5652 section 5.1 does not give for its content type',
  },
  'cms-set-order': { always: true, about: 'SET OF elements of a CMS message not in DER order' },
  'nonce-base64url-unpadded': {
    always: true,
    about: 'nonce in base64url without padding: Minerva, RFC 8995 appendix C',
  },
  'audit-numbers-as-strings': {
    always: true,
    about: 'numbers of the audit log as JSON strings: RFC 8995 section 5.8.1',
  },
  'rvr-no-idevid-issuer': {
    always: true,
    about: 'registrar voucher request without idevid-issuer: fountain, RFC 8995 appendix C.2.2',
  },
  'jws-no-typ': { always: true, about: 'JWS voucher without typ: BRSKI-PRM draft 23' },
  'x5c-leaf-only': { always: true, about: 'x5c holds the signer and no chain: JWS voucher and BRSKI-PRM drafts' },
  'request-root-ietf-voucher': { always: false, about: 'request under the root member of a voucher: nqminds' },
  'prm-request-root': { always: false, about: 'request under ietf-voucher-request-prm:voucher: BRSKI-PRM draft 23' },
  'agent-sign-cert-array': { always: false, about: 'agent-sign-cert as an array of one: BRSKI-PRM draft 23' },
  'nonce-over-32': { always: false, about: 'nonce of 33 to 64 bytes: nqminds' },
  'nonce-and-expiry': { always: false, about: 'nonce and expires-on in one voucher: nqminds' },
  'revocation-flag-in-request': { always: true, about: 'domain-cert-revocation-checks in a request, ignored: nqminds' },
  'legacy-sids': {
    always: false,
    about: 'SIDs from before the IANA registration, with text and tagged dates: Minerva',
  },
  'cose-no-alg': { always: false, about: 'COSE without alg in its protected header: Minerva' },
  'serial-pid-sn': {
    always: false,
    about: 'serialNumber attribute written as PID:x SN:y, of which SN is the serial: Cisco',
  },
  'serial-hwmodule': { always: true, about: 'serial number only in a hardwareModuleName: fielded IDevIDs' },
  'idevid-finite-life': { always: false, about: 'IDevID that has run out' },
} as const satisfies Record<string, QuirkEntry>

export type Quirk = keyof typeof quirks

export const quirkNames = Object.keys(quirks) as readonly Quirk[]

const alwaysOn: ReadonlySet<Quirk> = new Set(quirkNames.filter(name => quirks[name].always))

export function isQuirk(name: string): name is Quirk {
  return Object.hasOwn(quirks, name)
}

/** What one reading of one message may put up with, and what it did put up with. */
export class Tolerance {
  readonly #allowed: ReadonlySet<Quirk>
  readonly #used: Quirk[] = []

  /** @param more quirks beyond the ones that are on for everybody */
  constructor(more: readonly Quirk[] = []) {
    this.#allowed = more.length === 0 ? alwaysOn : new Set([...alwaysOn, ...more])
  }

  /** True, and noted as used, when the quirk is allowed. Ask only when the input really shows it. */
  accepts(quirk: Quirk): boolean {
    if (!this.#allowed.has(quirk)) return false
    if (!this.#used.includes(quirk)) this.#used.push(quirk)
    return true
  }

  /** As `accepts`, asked before it is known whether the input shows the quirk: nothing is noted. */
  allows(quirk: Quirk): boolean {
    return this.#allowed.has(quirk)
  }

  get used(): readonly Quirk[] {
    return [...this.#used]
  }
}
