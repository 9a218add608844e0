import { createRequire } from 'node:module'

export type Cedar = typeof import('@cedar-policy/cedar-wasm/nodejs')

/**
 * Cedar in a memory of its own, in some 5 ms. What it has parsed it keeps for ever, and once it has run out of stack it
 * answers everything with "memory access out of bounds": so each set of policies gets one, and it goes with the set.
 */
export function freshCedar(): Cedar {
  // A `require` of its own as well: the module that asked remembers all that it ever got.
  const require = createRequire(import.meta.url)
  const path = require.resolve('@cedar-policy/cedar-wasm/nodejs')
  delete require.cache[path]
  const cedar = require(path) as Cedar
  delete require.cache[path]
  return cedar
}
