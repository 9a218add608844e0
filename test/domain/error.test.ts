import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { describe, test } from 'node:test'
import {
  type ErrorCode,
  type ErrorEntry,
  errorCatalogue,
  isErrorCode,
  OnboardingError,
  problem,
} from '../../src/domain/error.ts'

const entries = Object.entries(errorCatalogue) as [ErrorCode, ErrorEntry][]

/** Words that begin a statement. A part of the action that begins otherwise tells the reader to do something. */
const statement =
  /^(a|an|the|it|its|this|that|these|those|they|he|she|we|you|your|someone|somebody|nobody|nothing|no|not|there|if|when|because|who|what|which|where|one|another|both)$/i

function tellsWhatToDo(action: string): boolean {
  return action
    .split(/[.;:,](?= |$)/)
    .map(part => part.trim().split(' ')[0] ?? '')
    .some(word => /^\p{L}+(-\p{L}+)?$/u.test(word) && !statement.test(word))
}

describe('the catalogue of failures', () => {
  for (const [code, { title, cause, action, status }] of entries) {
    test(`${code} says what, why and what next`, () => {
      assert.match(code, /^[a-z]+(-[a-z]+)*$/)
      assert.match(title, /^\p{Lu}.{2,59}$/u, 'the title is short and begins with a capital')
      assert.doesNotMatch(title, /[.!?:;,]$/, 'the title is no sentence')
      for (const sentence of [cause, action]) {
        assert.match(sentence, /^\p{Lu}.*\.$/u, 'a sentence begins with a capital and ends with a full stop')
        assert.equal(sentence, sentence.replaceAll(/\s+/g, ' ').trim(), 'no space to spare')
        assert.ok(sentence.length <= 160, 'a sentence is short')
      }
      assert.ok(tellsWhatToDo(action), `no part of the action tells what to do: ${action}`)
      assert.ok(Number.isInteger(status) && status >= 200 && status <= 599)
    })
  }

  test('names each code in one file only', async () => {
    const folder = new URL('../../src/domain/catalogue/', import.meta.url)
    const owners = new Map<string, string>()
    for (const file of readdirSync(folder)) {
      for (const catalogue of Object.values(await import(new URL(file, folder).href))) {
        for (const code of Object.keys(catalogue as object)) {
          assert.equal(owners.get(code), undefined, `${code} is in ${owners.get(code)} and in ${file}`)
          owners.set(code, file)
        }
      }
    }
    assert.deepEqual([...owners.keys()].sort(), entries.map(([code]) => code).sort())
  })

  test('says nothing twice in the same words', () => {
    for (const part of ['title', 'cause'] as const) {
      const texts = entries.map(([, entry]) => entry[part])
      assert.deepEqual(
        texts.filter((text, index) => texts.indexOf(text) !== index),
        [],
      )
    }
  })
})

describe('a failure', () => {
  const cause = new Error('underneath')
  const error = new OnboardingError('masa-unreachable', { host: 'masa.example', seconds: 10 }, { cause })

  test('carries its code, its facts and its cause', () => {
    assert.equal(error.message, 'Manufacturer service does not answer (host masa.example, seconds 10)')
    assert.equal(error.code, 'masa-unreachable')
    assert.equal(error.entry, errorCatalogue['masa-unreachable'])
    assert.equal(error.cause, cause)
    assert.equal(new OnboardingError('internal').message, errorCatalogue.internal.title)
  })

  test('becomes a problem document that does not show its cause', () => {
    const { title, cause, action } = errorCatalogue['masa-unreachable']
    assert.deepEqual(problem(error), {
      type: 'urn:mooring:error:masa-unreachable',
      title,
      status: 503,
      detail: cause,
      code: 'masa-unreachable',
      action,
      facts: { host: 'masa.example', seconds: 10 },
    })
    assert.equal(JSON.stringify(problem(error)).includes('underneath'), false)
  })

  test('is known by its code and by nothing that objects have anyway', () => {
    assert.ok(isErrorCode('internal'))
    for (const text of ['', 'toString', '__proto__', 'constructor', 'Internal']) assert.equal(isErrorCode(text), false)
  })
})
