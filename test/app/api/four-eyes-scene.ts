import assert from 'node:assert/strict'
import type { OperationName } from '../../../src/app/api/contract.ts'
import { encodePem } from '../../../src/codec/pem.ts'
import { certify } from '../../crypto/pki.ts'
import { openWorld, requestOf, type Sent, type World } from './world.ts'

const root = await certify({ subject: 'Fjord device root', ca: true })
const body = { anchors: [encodePem('CERTIFICATE', root.certificate.der)] }
const params = { name: 'fjord' }

/** What alice asks for when nothing else is said. */
export const trusting = { root, body, params }

export interface Scene extends World {
  /** Status, code, and the rest of the answer. */
  readonly tell: (name: OperationName, given: Sent, token: string) => Promise<readonly [number, unknown, Json]>
  readonly alice: string
  readonly bob: string
  /** A request of alice that waits. */
  readonly asked: (given?: Sent) => Promise<string>
}
export type Json = Readonly<Record<string, unknown>>

/** Alice and Bob administrate the network; four eyes are on. */
export async function inScene(work: (scene: Scene) => Promise<void>): Promise<void> {
  const world = await openWorld()
  try {
    const { makeToken, ask, call } = world
    const alice = (await makeToken('administrator', undefined, 'alice')).text
    const bob = (await makeToken('administrator', undefined, 'bob')).text
    world.pass(1000)
    assert.equal((await call('fourEyesSet', { body: { on: true } }, alice)).on, true)
    const tell: Scene['tell'] = async (name, given, token) => {
      const { status, json } = await ask(...requestOf(name, given, token))
      return [status, json['code'], json]
    }
    const asked: Scene['asked'] = async (given = { params, body }) => {
      const [status, code, json] = await tell('manufacturerTrust', given, alice)
      assert.deepEqual([status, code], [409, 'confirmation-needed'])
      return String((json['facts'] as Json)['request'])
    }
    await work({ ...world, tell, alice, bob, asked })
    assert.deepEqual((await world.services.store.verify()).firstBad, undefined)
  } finally {
    await world.close()
  }
}
