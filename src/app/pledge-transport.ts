import { connectPledge } from '../adapter/http/pledge-connection.ts'
import type { KeyStore } from '../crypto/signer.ts'
import { OnboardingError } from '../domain/error.ts'
import type { PledgeTransport } from '../role/device/port.ts'

/**
 * A device's way to registrars over TLS. The key of its certificate comes from its own key store, one that lets OpenSSL
 * use it.
 */
export function pledgeTransport(keys: KeyStore): PledgeTransport {
  return {
    async connect({ origin, certificates, keyLabel, timeoutMs }) {
      const { protocol, hostname, port } = originOf(origin)
      if (protocol !== 'https:')
        throw new OnboardingError('input-invalid', { field: 'registrar', rule: 'an https URL' })
      return connectPledge({
        host: hostname.replace(/^\[|\]$/g, ''),
        port: port === '' ? 443 : Number(port),
        timeoutMs,
        ...(certificates.length === 0
          ? {}
          : { credential: { key: await tlsKey(keys, keyLabel), certificateChain: certificates } }),
      })
    },
  }
}

function originOf(origin: string): URL {
  const url = URL.parse(origin)
  if (url === null) throw new OnboardingError('input-invalid', { field: 'registrar', rule: 'an https URL' })
  return url
}

async function tlsKey(keys: KeyStore, label: string) {
  const key = await keys.tlsKey?.(label)
  if (key === undefined) throw new OnboardingError('issuer-key-missing', { label })
  return key
}
