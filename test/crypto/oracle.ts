import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { encodePem } from '../../src/codec/pem.ts'
import { extendedKeyUsageOid } from '../../src/codec/x509/extension.ts'
import { PathError, type PathErrorCode, type PathRequest, validatePath } from '../../src/crypto/path.ts'
import { peer } from '../peer.ts'

const openssl = peer('openssl')

/** Where OpenSSL decides otherwise, and on purpose we do not follow it. */
export type Difference = 'openssl accepts' | 'openssl refuses' | 'no openssl'

/** Expects `validatePath` to accept ('ok') or to refuse for that reason, and OpenSSL, where it is installed, to agree. */
export function judge(request: PathRequest, expected: 'ok' | PathErrorCode, differs?: Difference): void {
  assert.equal(verdict(request), expected)
  if (openssl === undefined || differs === 'no openssl') return
  const { accepted, output } = opensslVerify(openssl, request)
  const agreed = differs === undefined ? expected === 'ok' : differs === 'openssl accepts'
  assert.equal(accepted, agreed, `openssl verify: ${output}`)
}

function verdict(request: PathRequest): 'ok' | PathErrorCode {
  try {
    validatePath(request)
    return 'ok'
  } catch (error) {
    if (error instanceof PathError) return error.code
    throw error
  }
}

const purposes = new Map<string, string>([
  [extendedKeyUsageOid.serverAuth, 'sslserver'],
  [extendedKeyUsageOid.clientAuth, 'sslclient'],
])

function opensslVerify(program: string, { chain, anchors, at, purpose = [], crls, maxDepth }: PathRequest) {
  const directory = mkdtempSync(join(tmpdir(), 'mooring-path-'))
  const write = (name: string, label: string, ders: readonly Uint8Array[]): string => {
    writeFileSync(join(directory, name), ders.map(der => encodePem(label, der)).join(''))
    return join(directory, name)
  }
  try {
    const [leaf, ...rest] = chain.map(({ der }) => der)
    // Level 2 asks for 112 bits: RSA 2048, no SHA-1. Partial chains, since an anchor here need not be self-signed.
    const options = ['-no-CAfile', '-no-CApath', '-no-CAstore', '-partial_chain', '-auth_level', '2']
    options.push('-attime', String(Math.floor(at.getTime() / 1000)))
    if (anchors.length > 0)
      options.push(
        '-trusted',
        write(
          'anchors',
          'CERTIFICATE',
          anchors.map(each => each.certificate.der),
        ),
      )
    if (rest.length > 0) options.push('-untrusted', write('rest', 'CERTIFICATE', rest))
    for (const each of purpose) options.push('-purpose', purposes.get(each) ?? assert.fail(`no name for ${each}`))
    if (crls !== undefined)
      options.push(
        '-crl_check_all',
        '-CRLfile',
        write(
          'crls',
          'X509 CRL',
          crls.map(({ der }) => der),
        ),
      )
    if (maxDepth !== undefined) options.push('-verify_depth', String(maxDepth))
    const { status, stdout, stderr } = spawnSync(
      program,
      ['verify', ...options, write('leaf', 'CERTIFICATE', [leaf!])],
      { encoding: 'utf8' },
    )
    return { accepted: status === 0, output: `${stdout}${stderr}` }
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}
