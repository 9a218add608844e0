import { refusalReply } from '../../domain/endpoint.ts'
import { OnboardingError } from '../../domain/error.ts'
import { ownershipMediaType, ownershipPath } from '../../domain/ownership-request.ts'
import type { Endpoint, Log } from '../../domain/port.ts'
import type { OwnershipAnswer } from './ownership-answer.ts'
import type { OwnershipService } from './ownership-service.ts'

/** The ownership service over the MASA's TLS listener. Who asks is proven by the signature, not by the connection. */
export function createOwnershipEndpoint(service: OwnershipService, log: Log): Endpoint {
  const headers = { 'cache-control': 'no-store' }
  return {
    async handle({ path, method, headers: sent, body, peer }) {
      if (path !== ownershipPath) return undefined
      if (method !== 'POST') return { status: 405, headers: { allow: 'POST' } }
      try {
        const type = (sent['content-type'] ?? '').split(';', 1)[0]?.trim().toLowerCase()
        if (type !== ownershipMediaType.request) {
          throw new OnboardingError('media-type-unknown', { type: (type ?? '').slice(0, 80) })
        }
        const answer = encodeAnswer(await service.apply(body))
        return { status: 200, headers: { ...headers, 'content-type': ownershipMediaType.answer }, body: answer }
      } catch (error) {
        if (!(error instanceof OnboardingError)) throw error
        log.info({ code: error.code, ...error.detail, address: peer.address }, 'ownership request refused')
        return refusalReply(error)
      }
    },
    methods: path => (path === ownershipPath ? ['POST'] : undefined),
  }
}

/** As it goes over the wire and into files. */
export function encodeAnswer({ offer, statement, manifest }: OwnershipAnswer): string {
  return JSON.stringify({
    ...(offer === undefined ? {} : { offer }),
    ...(statement === undefined ? {} : { statement: statement.toString('utf8') }),
    ...(manifest === undefined ? {} : { manifest: manifest.toString('utf8') }),
  })
}
