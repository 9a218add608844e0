import assert from 'node:assert/strict'
import { it } from 'node:test'
import { type Lab, run } from './lab.ts'

/** What curl got: the status, and the code at the beginning of the text. */
export interface Answer {
  readonly status: number
  readonly code: string
}

export interface Attack {
  readonly expected: Answer
  readonly run: () => Promise<Answer>
}

export const cmsType = 'application/voucher-cms+json'
export const requestPath = '/.well-known/brski/requestvoucher'
export const enrollPath = '/.well-known/est/simpleenroll'

export async function openssl(...args: string[]): Promise<string> {
  const { code, out, error } = await run('openssl', args)
  assert.equal(code, 0, error)
  return out
}

export function itRefuses(attacks: Readonly<Record<string, Attack>>): void {
  for (const [name, { expected, run }] of Object.entries(attacks)) {
    it(`${name}: ${expected.status} ${expected.code}`, async () => assert.deepEqual(await run(), expected))
  }
}

/** An attacker's hands: whatever curl and openssl can do with the files of the devices of a lab. */
export function attackerOf(lab: () => Lab) {
  /** `as`: a device whose birth certificate and key are shown. */
  async function curl(path: string, as: string | undefined, ...args: string[]): Promise<Answer> {
    const file = (name: string) => lab().file(as!, name)
    const identity = as === undefined ? [] : ['--cert', file('idevid-full.crt'), '--key', file('idevid.key')]
    const url = path.startsWith('https:') ? path : lab().url + path
    const fixed = ['-sk', '--max-time', '20', '-w', '\n%{http_code}']
    const { code, out, error } = await run('curl', [...fixed, ...identity, ...args, url])
    assert.equal(code, 0, `curl ${code}: ${error}`)
    const end = out.lastIndexOf('\n')
    return { status: Number(out.slice(end + 1)), code: /^[a-z0-9-]+(?=:)/.exec(out)?.[0] ?? '' }
  }
  const post = (path: string, as: string | undefined, type: string, body: string, ...more: string[]) =>
    curl(path, as, '-H', `Content-Type: ${type}`, '--data-binary', body, ...more)
  const steps = async (device: string, ...names: string[]): Promise<void> => {
    for (const name of names) {
      const { code, error } = await lab().pledge(name, device)
      assert.equal(code, 0, `${name}: ${error}`)
    }
  }
  return {
    curl,
    post,
    /** Sends a file as voucher request. */
    ask: (as: string | undefined, file: string, type = cmsType) => post(requestPath, as, type, `@${file}`),
    steps,
    /** A voucher request made by openssl with the birth key of `signer`. @returns its file */
    sign: async (
      signer: string,
      json: Buffer,
      options: { readonly type?: string; readonly detached?: boolean } = {},
    ) => {
      const { type = '1.2.840.113549.1.9.16.1.40', detached = false } = options
      const file = (name: string) => lab().file(signer, name)
      const content = await lab().write(signer, 'altered.json', json)
      const by = ['-signer', file('idevid.crt'), '-inkey', file('idevid.key'), '-md', 'sha256']
      const form = [...(detached ? [] : ['-nodetach']), '-binary', '-outform', 'DER']
      await openssl('cms', '-sign', '-in', content, ...by, '-econtent_type', type, ...form, '-out', file('altered.vcj'))
      return file('altered.vcj')
    },
    /** The device's own request, altered on its way. @returns its file */
    alter: async (device: string, change: (request: Buffer) => Uint8Array) =>
      lab().write(device, 'altered.vcj', change(await lab().read(device, 'request.vcj'))),
    /** A CSR by openssl, in base64. @returns its file */
    csr: async (device: string, args: readonly string[], change: (der: Buffer) => Buffer = der => der) => {
      const subject = args.includes('-config') ? [] : ['-subj', '/CN=x']
      await openssl('req', '-new', ...args, ...subject, '-outform', 'DER', '-out', lab().file(device, 'altered.csr'))
      return lab().write(device, 'altered.b64', change(await lab().read(device, 'altered.csr')).toString('base64'))
    },
    enroll: (as: string | undefined, file: string, path = enrollPath) =>
      post(path, as, 'application/pkcs10', `@${file}`),
  }
}

export const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'] as const
