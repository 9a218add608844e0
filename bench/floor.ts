import { diffieHellman, generateKeyPairSync, sign, verify } from 'node:crypto'

/** How often each public-key operation has to be done: keygen, ECDH, signature, verification. */
export interface Operations {
  readonly kg: number
  readonly dh: number
  readonly s: number
  readonly v: number
}

/** What nobody can leave out, on the server's side, counted in P-256 operations. */
export const mandatory = {
  /** Ephemeral key and agreement; our CertificateVerify; the client's, and the signature in its certificate. */
  handshake: { kg: 1, dh: 1, s: 1, v: 2 },
  /**
   * The handshake; then, for a voucher: the pledge's request and, as MASA again, the registrar's request, the pledge's
   * within it and its certificate, and the voucher before it is handed on; two signatures; for a certificate: the proof of
   * possession and a signature.
   */
  allInOne: { kg: 1, dh: 1, s: 4, v: 8 },
} as const satisfies Record<string, Operations>

const ours = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const theirs = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const message = Buffer.alloc(512, 7)
const signature = sign('sha256', message, ours.privateKey)
const pair = { privateKey: ours.privateKey, publicKey: theirs.publicKey }

const once = {
  kg: () => generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  dh: () => diffieHellman(pair),
  s: () => sign('sha256', message, ours.privateKey),
  v: () => verify('sha256', message, ours.publicKey, signature),
} as const

/** Does them as bare as node:crypto has them, `rounds` times over, keys held. */
export function performFloor(operations: Operations, rounds: number): void {
  for (let round = 0; round < rounds; round++) {
    for (const name of ['kg', 'dh', 's', 'v'] as const) {
      for (let n = 0; n < operations[name]; n++) once[name]()
    }
  }
}

/** CPU time of one set of operations, microseconds. */
export function floorOf(operations: Operations, rounds: number): number {
  const start = process.cpuUsage()
  performFloor(operations, rounds)
  const { user, system } = process.cpuUsage(start)
  return (user + system) / rounds
}
