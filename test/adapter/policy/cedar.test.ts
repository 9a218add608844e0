import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { callOf, cedarEngine } from '../../../src/adapter/policy/cedar.ts'
import { freshCedar } from '../../../src/adapter/policy/instance.ts'
import { policySchema } from '../../../src/adapter/policy/schema.ts'
import { OnboardingError } from '../../../src/domain/error.ts'
import { type PolicyAction, type PolicyFacts, policyLimits } from '../../../src/domain/policy.ts'
import { profiles } from '../../../src/role/authorization/profile/profile.ts'

export const facts: PolicyFacts = {
  device: '8f14e45fceea167a5a36dedd',
  serial: 'CL2-000001',
  manufacturer: 'fjord',
  model: 'Climate 2',
  standing: 'expected',
  owner: 'harbour',
  lifecycle: 'US.INS',
  posture: 'unknown',
  network: 'harbour-iot',
  site: 'harbour',
  protocol: 'brski',
  // Friday, 20 November 2026, 09:30 UTC.
  now: Date.parse('2026-11-20T09:30:00Z') / 1000,
}

const admitAll =
  '@id("all") permit(principal, action in [Action::"admit", Action::"issueCredential", Action::"stay"], resource);'

function decide(source: string, over: Partial<PolicyFacts> = {}, question: 'admit' | 'stay' = 'admit') {
  return cedarEngine.load(source).decide(question, { ...facts, ...over })
}

function errorsOf(source: string): string[] {
  return cedarEngine
    .check(source)
    .filter(({ severity }) => severity === 'error')
    .map(({ line, column, message }) => `${line}:${column} ${message}`)
}

describe('a decision', () => {
  test('is a refusal where nobody permits, and names who decided where somebody does', () => {
    assert.deepEqual(decide('').policies, [])
    assert.equal(decide('').verdict, 'refuse')
    const both = `${admitAll}\n@id("not-this") @advice("Recalled.") forbid(principal, action, resource) when { principal.serial == "CL2-000001" };`
    assert.deepEqual(
      [decide(both).verdict, decide(both).policies, decide(both).advice],
      ['refuse', ['not-this'], ['Recalled.']],
    )
    assert.deepEqual(decide(both, { serial: 'CL2-000002' }).policies, ['all'])
  })

  test('needs a credential to be permitted as well', () => {
    const source = 'permit(principal, action == Action::"admit", resource);'
    assert.equal(decide(source).verdict, 'refuse')
  })

  test('carries segment, lifetime and services: the first segment, the shortest lifetime, what is not forbidden', () => {
    const source = `${admitAll}
permit(principal, action == Action::"assignSegment", resource == Segment::"cameras") when { principal.model like "Cam*" };
permit(principal, action == Action::"assignSegment", resource == Segment::"climate");
permit(principal, action == Action::"assignSegment", resource == Segment::"rest");
forbid(principal, action == Action::"assignSegment", resource == Segment::"climate") when { principal.posture == "suspect" };
@lifetimeDays("90") permit(principal, action == Action::"issueCredential", resource);
@lifetimeDays("7") permit(principal, action == Action::"issueCredential", resource) unless { principal.ownershipDeclared };
permit(principal, action == Action::"useService", resource == Service::"time");
permit(principal, action == Action::"useService", resource in Service::"data");
forbid(principal, action == Action::"useService", resource is Service) when { context.protocol != "brski" };`
    const terms = (over: Partial<PolicyFacts>) => {
      const { segment, lifetimeDays, services } = decide(source, over)
      return [segment, lifetimeDays, ...services]
    }
    assert.deepEqual(terms({}), ['climate', 90, 'data', 'time'])
    assert.deepEqual(terms({ model: 'Cam 3' }), ['cameras', 90, 'data', 'time'])
    assert.deepEqual(terms({ posture: 'suspect', owner: '' }), ['rest', 7, 'data', 'time'])
    assert.deepEqual(terms({ protocol: 'dpp' }), ['climate', 90])
  })

  test('knows the hour and the day of the week, in UTC', () => {
    const source = `${admitAll} forbid(principal, action, resource) unless { context.weekday == 5 && context.hour == 9 };`
    assert.equal(decide(source).verdict, 'permit')
    assert.equal(decide(source, { now: facts.now + 3600 }).verdict, 'refuse')
    assert.equal(decide(source, { now: facts.now + 86_400 }).verdict, 'refuse')
  })

  test('knows manufacturer, model, owner, network and site as entities', () => {
    const source = `${admitAll}
forbid(principal, action, resource) unless { principal in Manufacturer::"fjord" && principal in Model::"Climate 2" };
forbid(principal, action, resource) unless { principal has owner && principal.owner == Owner::"harbour" };
forbid(principal, action == Action::"admit", resource == Network::"other");
forbid(principal, action, resource) unless { context.site == Site::"harbour" };`
    assert.equal(decide(source).verdict, 'permit')
    for (const other of [{ manufacturer: 'x' }, { model: 'x' }, { owner: '' }, { owner: 'x' }, { site: 'x' }]) {
      assert.equal(decide(source, other).verdict, 'refuse', JSON.stringify(other))
    }
    assert.equal(decide(source, { network: 'other' }).verdict, 'refuse')
    assert.equal(decide(source, { network: 'other' }, 'stay').verdict, 'permit')
  })

  test('is a failure, and a refusal, where a policy fails on the facts', () => {
    const source = `${admitAll} @id("sum") forbid(principal, action == Action::"admit", resource) when { context.now * 9007199254740991 > 0 };`
    assert.deepEqual(errorsOf(source), [])
    const { verdict, failure, services } = decide(source)
    assert.deepEqual([verdict, failure?.policy, services], ['refuse', 'sum', []])
    assert.match(failure?.message ?? '', /overflow/)
    // The other question has nothing to do with it.
    assert.equal(decide(source, {}, 'stay').verdict, 'permit')
  })

  test('is that of Cedar itself over the text as it stands, for any facts', () => {
    const source = `${profiles.enterprise}
forbid(principal, action in [Action::"maintain", Action::"wait"], resource) when { principal.serial like "X*" };
forbid(principal in Model::"Cam", action, resource is Segment);
forbid(principal == Device::"d2", action == Action::"useService", resource == Service::"time");
forbid(principal in Manufacturer::"kestrel", action == Action::"maintain", resource) when { principal.lifecycle == "US.COM" };
forbid(principal, action == Action::"admit", resource == Network::"other") when { context.protocol == "dpp" };
@credential("revoke") forbid(principal, action == Action::"stay", resource) when { context.hour == 3 };`
    const cedar = freshCedar()
    const named = { named: { has: () => true } as unknown as ReadonlySet<string> }
    const asked: readonly (readonly [PolicyAction, string, string])[] = [
      ['admit', 'Network', 'harbour-iot'],
      ['wait', 'Network', 'harbour-iot'],
      ['stay', 'Network', 'harbour-iot'],
      ['issueCredential', 'Network', 'harbour-iot'],
      ['maintain', 'Network', 'harbour-iot'],
      ['assignSegment', 'Segment', 'guests'],
      ['assignSegment', 'Segment', 'devices'],
      ['assignSegment', 'Segment', 'quarantine'],
      ['useService', 'Service', 'application'],
      ['useService', 'Service', 'time'],
      ['useService', 'Service', 'update'],
    ]
    const set = cedarEngine.load(source)
    fc.assert(
      fc.property(
        fc.record({
          standing: fc.constantFrom('expected', 'approved', 'waiting'),
          owner: fc.constantFrom('', 'harbour'),
          posture: fc.constantFrom('unknown', 'good', 'suspect'),
          serial: fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('X1', 'CL2-1')),
          model: fc.constantFrom('Cam', 'Climate 2', ''),
          now: fc.integer({ min: 0, max: 4_000_000_000 }),
          device: fc.constantFrom('d1', 'd2'),
          network: fc.constantFrom('harbour-iot', 'other'),
          manufacturer: fc.constantFrom('fjord', 'kestrel'),
          lifecycle: fc.constantFrom('US.INS', 'US.COM'),
          protocol: fc.constantFrom('brski', 'dpp'),
        }),
        over => {
          const told = { ...facts, ...over }
          const allowed = (action: PolicyAction, id: string) =>
            asked.some(each => each[0] === action && each[2] === id && plain(each) === 'allow')
          const plain = ([action, type, id]: (typeof asked)[number]) => {
            const answer = cedar.isAuthorized({
              ...callOf(told, named),
              action: { type: 'Action', id: action },
              resource: { type, id: type === 'Network' ? told.network : id },
              policies: { staticPolicies: source },
              schema: policySchema,
              validateRequest: true,
            })
            assert.equal(answer.type, 'success', JSON.stringify(answer))
            return answer.type === 'success' ? answer.response.decision : ''
          }
          const net = 'harbour-iot'
          const admit = allowed('admit', net) && allowed('issueCredential', net)
          // The profile permits everybody to stay: who may not is forbidden to, and then to come in as well.
          const open = allowed('stay', net)
          const verdict = !open ? 'refuse' : admit ? 'permit' : allowed('wait', net) ? 'wait' : 'refuse'
          const segment = ['quarantine', 'guests', 'devices'].find(id => allowed('assignSegment', id))
          const services = ['application', 'time', 'update'].filter(id => allowed('useService', id))
          const ours = set.decide('admit', told)
          assert.deepEqual(
            [ours.verdict, ours.segment, ours.services, ours.maintain],
            [verdict, segment, services, allowed('maintain', net)],
          )
          const stay = set.decide('stay', told)
          assert.equal(stay.verdict, allowed('stay', net) ? 'permit' : 'refuse')
          assert.equal(stay.revoke, Math.floor(over.now / 3600) % 24 === 3)
        },
      ),
      { numRuns: 80 },
    )
  })
})

describe('a text', () => {
  test('that cannot be read is found at its line and column', () => {
    assert.deepEqual(errorsOf('// ä comment\n\npermit(principal, action resource);'), [
      '3:26 failed to parse policy from string: unexpected token `resource`',
    ])
    assert.match(
      errorsOf(`${admitAll}\n permit(principal, action, resource) when { principal.colour == "é" };`)[0]!,
      /^2:/,
    )
    assert.match(errorsOf('permit(principal, action, resource) when { "é" == principal.colour };')[0]!, /^1:51 /)
  })

  test('that speaks of what there is not is refused', () => {
    const cases: readonly (readonly [string, RegExp])[] = [
      ['permit(principal, action == Action::"fly", resource);', /permits nothing/],
      ['permit(principal, action == Action::"assignSegment", resource);', /names no segment/],
      ['permit(principal, action == Action::"admit", resource == Segment::"x");', /permits nothing/],
      ['@lifetimedays("3") permit(principal, action, resource);', /no annotation @lifetimedays/],
      ['@lifetimeDays("3") permit(principal, action, resource);', /issueCredential alone/],
      ['@lifetimeDays("0") permit(principal, action == Action::"issueCredential", resource);', /1 to 3650/],
      ['@lifetimeDays("1e3") permit(principal, action == Action::"issueCredential", resource);', /1 to 3650/],
      ['@credential("revoke") forbid(principal, action, resource);', /stay alone/],
      ['@credential("x") forbid(principal, action == Action::"stay", resource);', /"revoke"/],
      ['@id("a b") permit(principal, action, resource);', /@id/],
      [`${admitAll}${admitAll}`, /stands twice/],
      ['permit(principal, action, resource) when { resource == Network::"x" };', /in the head/],
      ['permit(principal, action, resource) when { action == Action::"stay" };', /in the head/],
      ['permit(principal, action, resource) when { context.now > 9007199254740993 };', /9007199254740991/],
      ['permit(principal == ?principal, action, resource);', /./],
      ['permit(principal, action, resource) when { principal.posture };', /./],
      ['permit(principal, action, resource) when { principal.owner == Owner::"x" };', /owner/],
      ['permit(principal, action, resource)', /./],
      ['permit(principal, action, resource) when { "', /./],
    ]
    for (const [source, expected] of cases) {
      assert.match(errorsOf(source).join('\n'), expected, source)
      assert.throws(
        () => cedarEngine.load(source),
        (error: unknown) => error instanceof OnboardingError && error.code === 'policy-invalid',
        source,
      )
    }
  })

  test('of comments and space has no policies', () => {
    assert.deepEqual(cedarEngine.load('\n // nothing; here { \n').policies, [])
    assert.deepEqual(
      cedarEngine.load(`// one;\n${admitAll} // two; "\n`).policies.map(({ id, line }) => [id, line]),
      [['all', 2]],
    )
  })

  test('that is too much is refused before Cedar sees it', () => {
    const many = 'permit(principal, action, resource);\n'
    const cases = [
      `// ${'x'.repeat(1_000_000)}`,
      `"${'x'.repeat(120_000)}`,
      many.repeat(policyLimits.policies + 1),
      `permit(principal, action, resource) when { ${'('.repeat(40)}true${')'.repeat(40)} };`,
      `permit(principal, action, resource) when { ${'true && '.repeat(1100)}true };`,
    ]
    for (const source of cases) {
      assert.throws(
        () => cedarEngine.load(source),
        (error: unknown) => error instanceof OnboardingError && error.code === 'policy-too-large',
        source.slice(0, 60),
      )
    }
    assert.equal(cedarEngine.load(many.repeat(policyLimits.policies)).policies.length, policyLimits.policies)
  })

  test('that runs Cedar out of its stack harms itself alone', () => {
    const set = cedarEngine.load(admitAll)
    for (const source of [
      `permit(principal, action, resource) when { ${'if true then true else '.repeat(340)}true };`,
      `permit(principal, action, resource) when { 0 < ${'1+'.repeat(3500)}1 };`,
      `permit(principal, action, resource) when { ${'!'.repeat(5000)}true };`,
    ]) {
      for (const { message } of cedarEngine.check(source)) assert.notEqual(message, '')
      // Read or not: whoever asks gets an answer.
      try {
        assert.ok(['permit', 'refuse'].includes(cedarEngine.load(source).decide('admit', facts).verdict))
      } catch (error) {
        assert.ok(error instanceof OnboardingError)
      }
      assert.equal(set.decide('admit', facts).verdict, 'permit')
    }
  })

  test('of any kind is read or refused, and nothing else', () => {
    const word = fc.constantFrom(
      ...['permit', 'forbid', '(', ')', 'principal', 'action', 'resource', ',', ';', 'when', '{', '}', '==', 'in', '"'],
      ...['Action::"admit"', '[', ']', '@id("a")', '//', '\n', 'true', '&&', 'principal.serial', '\\', '\ud800', '\0'],
    )
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(word).map(words => words.join(' ')),
        ),
        source => {
          cedarEngine.check(source)
          try {
            cedarEngine.load(source).decide('admit', facts)
          } catch (error) {
            assert.ok(error instanceof OnboardingError)
          }
        },
      ),
      { numRuns: 150 },
    )
  })
})

describe('names of strangers', () => {
  test('are values, whatever stands in them', () => {
    const source = `${admitAll} @id("one") forbid(principal, action, resource) when { principal.serial == "\\"\\n\\u{1f4a3}" };`
    assert.equal(decide(source, { serial: '"\n\u{1f4a3}' }).verdict, 'refuse')
    const names = [
      '"; permit(principal, action, resource); //',
      '\u0000',
      '\r\n',
      '\u202e',
      'Device::"x"',
      '__proto__',
      '*',
      'x'.repeat(5000),
    ]
    for (const name of names) {
      const over = { device: name, serial: name, model: name, manufacturer: name, owner: name }
      assert.equal(decide(source, over).verdict, 'permit', name)
      assert.equal(decide('', over).verdict, 'refuse', name)
      assert.equal(decide(profiles.home, { ...over, standing: name, posture: name as 'good' }).verdict, 'wait', name)
    }
  })
})

describe('what is no text', () => {
  test('is refused', () => {
    const source = `${admitAll} forbid(principal, action, resource) when { principal.serial == "1" };`
    const { verdict, failure } = decide(source, { serial: '\ud800' })
    assert.deepEqual([verdict, failure === undefined], ['refuse', false])
  })
})

describe('the profiles', () => {
  test('keep to Table 7-1 where consumer and enterprise differ', () => {
    const { home, enterprise } = profiles
    for (const source of [home, enterprise]) assert.deepEqual(cedarEngine.check(source), [])
    // Hands-free, and bulk: both let in what is on a manifest (WP-U7.09, WP-U7.10).
    for (const source of [home, enterprise]) assert.equal(decide(source).verdict, 'permit')
    // A manual step is enough at home; proof of ownership is wanted by the enterprise (WP-U7.11).
    assert.equal(decide(home, { owner: '' }).verdict, 'permit')
    assert.equal(decide(enterprise, { owner: '' }).verdict, 'wait')
    assert.equal(decide(enterprise, { owner: '', standing: 'approved' }).verdict, 'permit')
    // An unexpected device waits for a person in both.
    for (const source of [home, enterprise]) assert.equal(decide(source, { standing: 'waiting' }).verdict, 'wait')
    // Threats from inside: what is suspect stays at home, in quarantine, and leaves the enterprise (WP-U7.20).
    const suspect = { posture: 'suspect' } as const
    assert.deepEqual(
      [decide(home, suspect, 'stay').verdict, decide(home, suspect, 'stay').segment],
      ['permit', 'quarantine'],
    )
    assert.equal(decide(enterprise, suspect, 'stay').verdict, 'refuse')
    assert.equal(decide(enterprise, suspect).verdict, 'refuse')
    // Short credentials where somebody runs the renewal.
    assert.deepEqual([decide(home).lifetimeDays, decide(enterprise).lifetimeDays], [undefined, 90])
    // Application data is more likely to be possible (WP-U7.13).
    assert.deepEqual(decide(home).services, ['time'])
    assert.deepEqual(decide(enterprise).services, ['application', 'time'])
  })
})
