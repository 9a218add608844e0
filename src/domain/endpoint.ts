import { OnboardingError } from './error.ts'
import type { Endpoint, EndpointReply, EndpointRequest } from './port.ts'

/** Operations by their path, each of a POST. `refused` answers what an operation throws as OnboardingError. */
export function postEndpoint(
  operations: Readonly<Record<string, (request: EndpointRequest) => Promise<EndpointReply>>>,
  refused: (error: OnboardingError, request: EndpointRequest) => EndpointReply | Promise<EndpointReply>,
): Endpoint {
  return {
    async handle(request) {
      // Own members only: an object has a constructor, too.
      const operation = Object.hasOwn(operations, request.path) ? operations[request.path] : undefined
      if (operation === undefined) return undefined
      if (request.method !== 'POST') return { status: 405, headers: { allow: 'POST' } }
      try {
        return await operation(request)
      } catch (error) {
        if (!(error instanceof OnboardingError)) throw error
        return refused(error, request)
      }
    },
  }
}

/** For protocols without a body of their own for that: the code first, then words for people. */
export function refusalReply(error: OnboardingError, close = false): EndpointReply {
  return {
    status: error.entry.status,
    headers: { 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-store' },
    body: `${error.code}: ${error.message}`,
    ...(close ? { close } : {}),
  }
}
