import { hash, type KeyObject } from 'node:crypto'
import type { Certificate } from '../codec/x509/certificate.ts'
import { CryptoError } from './error.ts'
import { publicKeyOf } from './key.ts'
import { nameEffort } from './name-constraint.ts'
import { PathError, type PathErrorCode } from './path-error.ts'
import { checkPath, type PathRules, refusal } from './path-rule.ts'
import { Recent } from './recent.ts'
import { anchorsNamed, cachedNameKey, sameEntity, type TrustAnchor } from './trust.ts'
import { verifySignature } from './verify.ts'

export { PathError, type PathErrorCode } from './path-error.ts'

export interface PathRequest extends PathRules {
  /** Leaf first, the rest in any order and possibly with strangers in it; at most 10. */
  readonly chain: readonly Certificate[]
  /**
   * Trusted for as long as they are listed: an anchor's own validity is not looked at (RFC 5280 6.1). The list of a
   * `trustStore` is indexed, any other one is searched through.
   */
  readonly anchors: readonly TrustAnchor[]
  /** Certificates between leaf and anchor, at most; 8 when absent. */
  readonly maxDepth?: number
}

export interface ValidatedPath {
  readonly leaf: Certificate
  /** Leaf first, up to the certificate that the anchor signed; the anchor itself is not in it unless it is the leaf. */
  readonly path: readonly Certificate[]
  readonly anchor: TrustAnchor
}

const maxChain = 10
/** Ten links and as many wrong guesses. One on P-521 costs 1.2 ms, before anybody is known to be anybody. */
const maxSignatures = 24
const maxSteps = 1000

/**
 * RFC 5280 section 6.1, with path building: the first path that passes. Throws PathError for the reason that came closest
 * to a path: a rule broken on a complete one before a wrong signature, that before an unknown issuer.
 */
export function validatePath(request: PathRequest): ValidatedPath {
  const leaf = request.chain[0]
  if (leaf === undefined) throw new PathError('untrusted', 'there is no certificate', '')
  if (request.chain.length > maxChain)
    throw refusal('too-long', leaf, `a chain of ${request.chain.length} certificates`)
  const search = new PathSearch(request)
  const found = search.from(leaf)
  if (found !== undefined) return found
  throw search.failure ?? refusal('untrusted', leaf, 'its issuer is not known')
}

/** How much a failure says about the path that was meant. */
function rank(code: PathErrorCode): number {
  if (code === 'untrusted' || code === 'loop') return 0
  return code === 'bad-signature' ? 1 : 2
}

/** Depth first, anchors before intermediates, likely keys before others. Bounded in signatures and in steps. */
class PathSearch {
  failure: PathError | undefined
  readonly #request: PathRequest
  readonly #intermediates: readonly Certificate[]
  readonly #signed = new Map<Certificate, Map<Certificate, PathError | undefined>>()
  readonly #effort = nameEffort()
  #signatures = 0
  #steps = 0

  constructor(request: PathRequest) {
    this.#request = request
    this.#intermediates = request.chain.slice(1)
  }

  from(leaf: Certificate): ValidatedPath | undefined {
    // A pinned end entity (RFC 8366 pinned-domain-cert) is its own path. Only the very same certificate: another one
    // with that name and key could claim anything in its extensions.
    const namesakes = anchorsNamed(this.#request.anchors, leaf.subject)
    const same = namesakes.find(({ certificate }) => Buffer.compare(certificate.der, leaf.der) === 0)
    if (same !== undefined) return this.#check([same.certificate], same)
    return this.#extend([leaf])
  }

  #extend(path: readonly Certificate[]): ValidatedPath | undefined {
    const last = path.at(-1)!
    for (const anchor of likelyFirst(last, anchorsNamed(this.#request.anchors, last.issuer), a => a.certificate)) {
      const found = this.#isSignedBy(last, anchor.certificate) ? this.#check(path, anchor) : undefined
      if (found !== undefined) return found
    }
    const name = cachedNameKey(last.issuer)
    const issuers = this.#intermediates.filter(({ subject }) => cachedNameKey(subject) === name)
    for (const issuer of likelyFirst(last, issuers, certificate => certificate)) {
      const found = this.#through(path, issuer)
      if (found !== undefined) return found
    }
    this.#note(refusal('untrusted', last, 'no anchor is known for its issuer'))
    return undefined
  }

  #through(path: readonly Certificate[], issuer: Certificate): ValidatedPath | undefined {
    const last = path.at(-1)!
    if (++this.#steps > maxSteps) throw refusal('too-long', path[0]!, 'too many possible paths')
    if (path.some(certificate => sameEntity(certificate, issuer))) {
      // A self-signed certificate says nothing about its issuer; it is a circle only by way of another one.
      if (!sameEntity(last, issuer)) this.#note(refusal('loop', last, 'its issuers certify each other in a circle'))
      return undefined
    }
    if (!this.#isSignedBy(last, issuer)) return undefined
    if (path.length > (this.#request.maxDepth ?? 8)) {
      this.#note(refusal('too-long', path[0]!, `more than ${this.#request.maxDepth ?? 8} CAs`))
      return undefined
    }
    return this.#extend([...path, issuer])
  }

  #check(path: readonly Certificate[], anchor: TrustAnchor): ValidatedPath | undefined {
    try {
      publicKeyFor(path[0]!)
      checkPath(path, anchor.certificate, this.#request, this.#effort)
      return { leaf: path[0]!, path, anchor }
    } catch (error) {
      if (!(error instanceof PathError)) throw error
      this.#note(error)
      return undefined
    }
  }

  #isSignedBy(certificate: Certificate, issuer: Certificate): boolean {
    const known = this.#signed.get(certificate) ?? new Map<Certificate, PathError | undefined>()
    this.#signed.set(certificate, known)
    if (!known.has(issuer)) {
      if (++this.#signatures > maxSignatures) throw refusal('too-long', certificate, 'too many possible issuers')
      known.set(issuer, signatureFailure(certificate, issuer))
    }
    const failure = known.get(issuer)
    if (failure !== undefined) this.#note(failure)
    return failure === undefined
  }

  #note(error: PathError): void {
    if (this.failure === undefined || rank(error.code) > rank(this.failure.code)) this.failure = error
  }
}

/** Candidates whose subjectKeyIdentifier is what the certificate asks for come first; it is a hint, never a proof. */
function likelyFirst<T>(
  child: Certificate,
  candidates: readonly T[],
  certificateOf: (candidate: T) => Certificate,
): readonly T[] {
  const wanted = child.authorityKeyIdentifier?.keyIdentifier
  if (wanted === undefined || candidates.length < 2) return candidates
  const isLikely = (candidate: T) => {
    const own = certificateOf(candidate).subjectKeyIdentifier
    return own !== undefined && Buffer.compare(own, wanted) === 0
  }
  return [...candidates.filter(isLikely), ...candidates.filter(candidate => !isLikely(candidate))]
}

function signatureFailure(certificate: Certificate, issuer: Certificate): PathError | undefined {
  try {
    verifyIssued(certificate, issuer)
    return undefined
  } catch (error) {
    if (error instanceof PathError) return error
    if (!(error instanceof CryptoError)) throw error
    const weak = error.code === 'weak-algorithm' || error.code === 'unsupported-algorithm'
    return refusal(weak ? 'weak-algorithm' : 'bad-signature', certificate, error.message, error)
  }
}

/**
 * Signatures that were found good: the same CAs, registrars and MASA signers come with every device, and registrar and MASA
 * of one process look at the same device.
 */
const goodSignatures = new Recent<true>(512)
/** The same for the very same objects, as `certificateOf` gives them. */
const signedBy = new WeakMap<Certificate, Certificate>()

function verifyIssued(certificate: Certificate, issuer: Certificate): void {
  if (signedBy.get(certificate) === issuer) return
  const { der, tbsDer, signature, signatureAlgorithm } = certificate
  const publicKey = publicKeyFor(issuer)
  const memo = `${hash('sha256', der, 'base64')} ${hash('sha256', issuer.spkiDer, 'base64')}`
  if (!goodSignatures.get(memo)) {
    verifySignature(signatureAlgorithm, publicKey, tbsDer, signature)
    goodSignatures.set(memo, true)
  }
  signedBy.set(certificate, issuer)
}

function publicKeyFor(certificate: Certificate): KeyObject {
  try {
    return publicKeyOf(certificate)
  } catch (error) {
    if (error instanceof CryptoError) throw refusal('weak-key', certificate, error.message, error)
    throw error
  }
}
