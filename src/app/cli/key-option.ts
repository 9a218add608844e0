import type { Command } from 'commander'
import { passphraseFromEnvironment } from '../../adapter/key/master-key.ts'
import { openPkcs11KeyStore } from '../../adapter/key/pkcs11.ts'
import { Secret } from '../../crypto/secret.ts'
import type { KeyStore } from '../../crypto/signer.ts'
import { OnboardingError } from '../../domain/error.ts'
import { readInputFile } from './file.ts'
import type { Io } from './terminal.ts'

/** Where the keys of a certification authority are, when not in the data directory. */
export interface KeyOptions {
  readonly pkcs11Module?: string
  readonly pkcs11Token?: string
  readonly pkcs11PinFile?: string
}

export function withKeys(command: Command): Command {
  return command
    .option('--pkcs11-module <file>', 'keep the keys of the certificates in a PKCS#11 token: library of its vendor')
    .option('--pkcs11-token <label>', 'label of the token')
    .option('--pkcs11-pin-file <file>', 'its PIN; or in MOORING_PKCS11_PIN')
}

export interface OpenKeys {
  readonly passphrase?: Secret
  readonly authorityKeys?: KeyStore
  readonly close: () => void
}

/** MOORING_KEY_PASSPHRASE, and the token if one is named. Throws KeyStoreError, OnboardingError `input-invalid`. */
export async function openKeys(options: KeyOptions, { env }: Pick<Io, 'env'>): Promise<OpenKeys> {
  const passphrase = passphraseFromEnvironment(env)
  const common = passphrase === undefined ? {} : { passphrase }
  const { pkcs11Module: modulePath, pkcs11Token: tokenLabel, pkcs11PinFile } = options
  if (modulePath === undefined && tokenLabel === undefined) return { ...common, close() {} }
  if (modulePath === undefined || tokenLabel === undefined) {
    throw new OnboardingError('input-invalid', { field: 'pkcs11', rule: '--pkcs11-module and --pkcs11-token, both' })
  }
  const pin = await readPin(pkcs11PinFile, env)
  const keys = await openPkcs11KeyStore({ modulePath, tokenLabel, pin })
  return { ...common, authorityKeys: keys, close: () => keys[Symbol.dispose]() }
}

async function readPin(file: string | undefined, env: Io['env']): Promise<Secret> {
  const text =
    file === undefined ? env['MOORING_PKCS11_PIN'] : (await readInputFile(file, 1024)).toString('utf8').trim()
  if (text !== undefined && text !== '') return new Secret(text)
  throw new OnboardingError('input-invalid', { field: 'pin', rule: '--pkcs11-pin-file or MOORING_PKCS11_PIN' })
}
