import type { ErrorEntry } from './entry.ts'

/** What the door itself refuses, before a role is asked. */
export const httpErrors = {
  'method-not-allowed': {
    title: 'Method not allowed here',
    cause: 'The path exists, but does not take this HTTP method.',
    action: 'Use a method that the Allow header of the answer names.',
    status: 405,
  },
  'request-too-slow': {
    title: 'Request too slow',
    cause: 'The request did not arrive whole within the time that one may take.',
    action: 'Check the connection and send the request again.',
    status: 408,
  },
  overloaded: {
    title: 'Too much at once',
    cause: 'More requests or connections are open than this process takes.',
    action: 'Ask again after the time that Retry-After names; add a process if it lasts.',
    status: 503,
  },
} as const satisfies Record<string, ErrorEntry>
