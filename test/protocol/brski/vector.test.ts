/** Every row of test/vector/brski/README.md: what must verify, and what is wrong or surprising. One module a folder. */
import assert from 'node:assert/strict'
import { after, before } from 'node:test'
import './vector/rfc8995.ts'
import './vector/rfc8366bis.ts'
import './vector/jws-voucher.ts'
import './vector/brski-prm.ts'
import './vector/constrained-voucher.ts'
import './vector/rfc7030.ts'
import './vector/rfc9908.ts'
import { folder, unread } from './vector/file.ts'

before(() => folder('.').bytes('README.md'))
after(() => assert.deepEqual(unread(), [], 'vectors that no test looks at'))
