import { request as httpsRequest, type RequestOptions } from 'node:https'
import { decodeBase64 } from '../../codec/base64.ts'
import { certificateOf } from '../../crypto/certificate-cache.ts'
import { OnboardingError } from '../../domain/error.ts'
import type { Clock } from '../../domain/port.ts'
import type { TrustedManufacturer } from '../../domain/site.ts'
import { resolveHost } from './address-guard.ts'
import { masaLimits } from './masa-client.ts'
import { MasaAgent, type MasaTerms, unreachable } from './masa-connection.ts'

/**
 * Whether the MASA at `url` answers, by the same rules as a voucher request, and without one: a HEAD that asks for nothing.
 * Any HTTP status is an answer. Throws OnboardingError `masa-unreachable`, `masa-untrusted`, `masa-address-refused`.
 */
export async function probeMasa(
  url: string,
  manufacturer: Pick<TrustedManufacturer, 'name' | 'anchors' | 'masaAnchors' | 'masaPrivateAddress'>,
  clock: Clock,
): Promise<{ readonly status: number; readonly date?: number }> {
  const { connectTime, totalTime: timeout } = masaLimits
  const agent = new MasaAgent({ clock, resolve: resolveHost, connectTime, timeout })
  const { name, anchors, masaAnchors, masaPrivateAddress: allowNearby } = manufacturer
  const trusted = masaAnchors.length > 0 ? masaAnchors : anchors
  const terms: MasaTerms = {
    key: name,
    anchors: trusted.map(der => ({ name, certificate: certificateOf(decodeBase64(der)) })),
    allowNearby,
  }
  const options: RequestOptions & { readonly terms: MasaTerms } = {
    agent,
    terms,
    method: 'HEAD',
    signal: AbortSignal.timeout(connectTime),
  }
  try {
    return await new Promise((resolve, reject) => {
      const asked = httpsRequest(url, options)
      asked.on('error', reject)
      asked.on('response', answer => {
        answer.resume()
        const date = Date.parse(answer.headers.date ?? '')
        resolve({ status: answer.statusCode ?? 0, ...(Number.isNaN(date) ? {} : { date }) })
      })
      asked.end()
    })
  } catch (error) {
    throw error instanceof OnboardingError ? error : unreachable(new URL(url).hostname, error)
  } finally {
    agent.destroy()
  }
}
