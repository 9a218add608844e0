import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import {
  authorities,
  authoritiesOf,
  bundleNames,
  functionalRoleNames,
  functionalRoles,
  type RoleName,
  requireAssignable,
  roleBundles,
  roleLine,
  roleNames,
  roleWith,
} from '../../src/domain/authority.ts'

/** Requirements WP-R01 to R16 (white paper section 5), by hand: what each role can do, exactly. */
const exactly = {
  'device-manufacturer': ['birth.create', 'declaration.create', 'declaration.sign', 'declaration.delegate'],
  'device-system-integrator': ['device.onboard@own-network(temporary)'],
  'device-owner': [
    'device.onboard',
    'authorisation.grant',
    'authorisation.revoke',
    'ownership.transfer',
    'role.assign',
  ],
  'device-authorised-onboarder': ['device.onboard@own-network'],
  'device-purchaser': ['ownership.designate-first-owner'],
  'device-installer': ['device.install'],
  'device-onboarder': ['onboarding.initiate'],
  'device-manager': [
    'device.connect',
    'device.update',
    'device.disconnect',
    'device.decommission',
    'device.retire',
    'device.repurpose',
  ],
  'device-user': ['device.use'],
  'network-owner': ['network.own'],
  'network-administrator': ['network.policy.write', 'network.monitor'],
  'application-owner': ['app.grant', 'app.install', 'app.manage', 'app.use'],
  'application-installer': ['app.install'],
  'application-manager': ['app.onboard', 'app.execute', 'app.update', 'app.erase-data'],
  'application-user': ['app.use'],
  'service-provider': ['service.operate-on-behalf'],
}

describe('the sixteen roles', () => {
  test('may do exactly what section 5 says [WP-R01 to WP-R16]', () => {
    assert.deepEqual(Object.keys(exactly), [...functionalRoleNames])
    for (const [n, role] of functionalRoleNames.entries()) {
      const { authorities: given, views, requirement, section } = functionalRoles[role]
      assert.deepEqual(given, exactly[role], role)
      assert.ok(views.every(view => view.startsWith('view.')))
      assert.ok(given.every(each => !each.startsWith('view.')))
      assert.equal(requirement, `WP-R${String(n + 1).padStart(2, '0')}`)
      assert.equal(section, '5')
      assert.deepEqual([...authoritiesOf(role)], [...given, ...views])
    }
  })

  test('leave no authority to nobody', () => {
    const given = new Set(functionalRoleNames.flatMap(role => [...authoritiesOf(role)]))
    assert.deepEqual(
      Object.keys(authorities).filter(each => !given.has(each as never)),
      [],
    )
  })

  test('are all explained in a line', () => {
    for (const role of roleNames) assert.match(roleLine(role), /^[a-z].{10,120}[^.]$/)
  })
})

describe('the bundles', () => {
  test('are sums of the sixteen and views', () => {
    for (const bundle of bundleNames) {
      const { roles, views } = roleBundles[bundle]
      const sum = new Set([...roles.flatMap(role => [...authoritiesOf(role)]), ...views])
      assert.deepEqual(authoritiesOf(bundle), sum)
    }
    assert.deepEqual([...authoritiesOf('administrator')].sort(), Object.keys(authorities).sort())
    assert.ok([...authoritiesOf('auditor')].every(each => each.startsWith('view.')))
  })

  test('several roles may what one of them may, and no more', () => {
    const some = fc.subarray([...roleNames])
    const wanted = fc.subarray(Object.keys(authorities) as (keyof typeof authorities)[])
    fc.assert(
      fc.property(some, wanted, (roles, needed) => {
        const found = roleWith(roles, needed)
        assert.equal(
          found !== undefined,
          needed.some(each => roles.some(role => authoritiesOf(role).has(each))),
        )
        if (found !== undefined) assert.ok(roles.includes(found))
      }),
    )
  })
})

describe('giving roles', () => {
  const may = (roles: readonly RoleName[], given: readonly RoleName[]) => {
    try {
      requireAssignable(roles, given)
      return true
    } catch {
      return false
    }
  }

  test('is for owners, each below the own role [WP-R17]', () => {
    assert.ok(may(['device-owner'], ['device-installer', 'device-onboarder', 'device-manager', 'device-user']))
    assert.ok(may(['device-owner'], ['application-owner', 'device-authorised-onboarder']))
    assert.ok(may(['network-owner'], ['network-administrator', 'auditor']))
    assert.ok(may(['device-owner', 'network-owner'], ['device-manager', 'network-administrator']))
    assert.throws(() => requireAssignable(['device-owner'], ['device-manager', 'administrator']), {
      code: 'role-not-assignable',
      detail: { role: 'administrator', roles: 'device-owner' },
    })
    // WP-R17: who may onboard does not let others.
    assert.ok(!may(['device-authorised-onboarder'], ['device-authorised-onboarder']))
    assert.ok(!may(['operator'], ['device-onboarder']))
    assert.ok(!may(['auditor'], ['auditor']))
    assert.ok(!may([], ['device-user']))
  })

  test('never reaches what the giver may not give, over any number of steps', () => {
    const reach = (start: RoleName) => {
      const reached = new Set<RoleName>([start])
      for (let size = 0; size !== reached.size; ) {
        size = reached.size
        for (const role of roleNames) if ([...reached].some(each => may([each], [role]))) reached.add(role)
      }
      return reached
    }
    for (const role of roleNames) if (role !== 'administrator') assert.ok(!reach(role).has('administrator'), role)
    assert.ok(!reach('device-owner').has('network-administrator'))
    assert.ok(!reach('network-owner').has('device-owner'))
  })
})
