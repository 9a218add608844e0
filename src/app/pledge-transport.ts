import { connectPledge } from '../adapter/http/pledge-connection.ts'
import type { KeyStore } from '../crypto/signer.ts'
import { OnboardingError } from '../domain/error.ts'
import type { PledgeTransport } from '../role/device/port.ts'

/** A device's way to registrars, with the keys of its own store. */
export function pledgeTransport(keys: KeyStore): PledgeTransport {
  return {
    async connect({ origin, certificates, keyLabel, timeoutMs }) {
      const { hostname, port } = new URL(origin)
      const credential =
        certificates.length === 0
          ? {}
          : { credential: { key: await keyOf(keys, keyLabel), certificateChain: certificates } }
      const host = hostname.replace(/^\[|\]$/g, '')
      return connectPledge({ host, port: port === '' ? 443 : Number(port), timeoutMs, ...credential })
    },
  }
}

async function keyOf(keys: KeyStore, label: string) {
  const key = await keys.tlsKey?.(label)
  if (key === undefined) throw new OnboardingError('issuer-key-missing', { label })
  return key
}
