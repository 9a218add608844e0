import type { KeyObject } from 'node:crypto'
import { generateKey } from '../../crypto/key.ts'
import { type KeyStore, keySigner, type Signer } from '../../crypto/signer.ts'
import { checkLabel, labelTaken } from './error.ts'

/** Keys that end with the process: simulated devices and tests. */
export function memoryKeyStore(): KeyStore {
  const signers = new Map<string, Signer>()
  const privateKeys = new Map<string, KeyObject>()
  return {
    kind: 'memory',
    hardwareBacked: false,
    async generate(label, curve) {
      checkLabel(label)
      if (privateKeys.has(label)) throw labelTaken(label)
      const privateKey = generateKey(curve)
      const signer = keySigner(privateKey)
      privateKeys.set(label, privateKey)
      signers.set(label, signer)
      return signer
    },
    async open(label) {
      checkLabel(label)
      const privateKey = privateKeys.get(label)
      return signers.get(label) ?? (privateKey && keySigner(privateKey))
    },
    async adopt(label, privateKey) {
      checkLabel(label)
      if (privateKeys.has(label)) throw labelTaken(label)
      privateKeys.set(label, privateKey)
    },
    async tlsKey(label) {
      checkLabel(label)
      return privateKeys.get(label)
    },
    async list() {
      return [...privateKeys.keys()].sort()
    },
    async remove(label) {
      checkLabel(label)
      signers.delete(label)
      privateKeys.delete(label)
    },
  }
}
