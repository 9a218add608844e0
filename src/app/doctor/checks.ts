import { anchor } from './check/anchor.ts'
import { backup } from './check/backup.ts'
import { caller } from './check/caller.ts'
import { certificates } from './check/certificates.ts'
import { clock } from './check/clock.ts'
import { component } from './check/component.ts'
import { credentialExpiry } from './check/credential-expiry.ts'
import { crl } from './check/crl.ts'
import { dataDirectory } from './check/data-directory.ts'
import { databaseSettings } from './check/database-settings.ts'
import { deviceHeld } from './check/device-held.ts'
import { deviceRefused } from './check/device-refused.ts'
import { deviceStuck } from './check/device-stuck.ts'
import { deviceWaiting } from './check/device-waiting.ts'
import { diskSpace } from './check/disk-space.ts'
import { easyConnect } from './check/easy-connect.ts'
import { feed } from './check/feed.ts'
import { growth } from './check/growth.ts'
import { issuerKeys } from './check/issuer-keys.ts'
import { keyFiles } from './check/key-files.ts'
import { keyProtection } from './check/key-protection.ts'
import { ledger } from './check/ledger.ts'
import { masa } from './check/masa.ts'
import { nodeVersion } from './check/node-version.ts'
import { ocsp } from './check/ocsp.ts'
import { onboardingPort } from './check/onboarding-port.ts'
import { orphan } from './check/orphan.ts'
import { outbox } from './check/outbox.ts'
import { policy } from './check/policy.ts'
import { recall } from './check/recall.ts'
import { request } from './check/request.ts'
import { store } from './check/store.ts'
import { token } from './check/token.ts'
import { trust } from './check/trust.ts'
import type { Check } from './check.ts'

/** Every check, in the order in which it is made: the ground first, then what stands on it. */
export const checks: readonly Check[] = [
  nodeVersion,
  dataDirectory,
  keyFiles,
  keyProtection,
  diskSpace,
  store,
  databaseSettings,
  ledger,
  anchor,
  orphan,
  outbox,
  growth,
  backup,
  clock,
  certificates,
  issuerKeys,
  onboardingPort,
  easyConnect,
  crl,
  ocsp,
  trust,
  masa,
  feed,
  recall,
  token,
  caller,
  request,
  policy,
  deviceWaiting,
  deviceStuck,
  deviceRefused,
  deviceHeld,
  component,
  credentialExpiry,
]
