import { rolesWith } from '../../../domain/authority.ts'
import { type AccessToken, tokenRoles } from '../../../domain/site.ts'
import { type Check, counted, duration, fail, ok, site, warn } from '../check.ts'
import { day, everyRow } from '../patient.ts'

const many = 5

export const token: Check = {
  id: 'token',
  title: 'API tokens',
  about:
    'Fails when no token is in force of anybody who may make others, an administrator above all. Warns of tokens that end within --days ' +
    `days, and of more than ${many} administrators.`,
  party: site,
  needs: 'record',
  async run(patient) {
    const now = patient.clock()
    const inForce: AccessToken[] = []
    for await (const each of everyRow(patient, 'token')) {
      if (each.revokedAt === undefined && (each.expiresAt ?? Number.POSITIVE_INFINITY) > now) inForce.push(each)
    }
    const appointing = rolesWith(['role.assign'])
    const administrators = inForce.filter(each => tokenRoles(each).some(role => appointing.includes(role)))
    if (administrators.length === 0) {
      return fail(
        'No administrator’s token is in force.',
        'Stop the site and run `mooring token create rescue --role administrator --offline`.',
      )
    }
    const ending = inForce.filter(
      ({ expiresAt = Number.POSITIVE_INFINITY }) => expiresAt < now + patient.terms.days * day,
    )
    if (ending.length > 0) {
      return warn(
        `${counted(ending.length, 'token')} about to end.`,
        'Make new ones with `mooring token create NAME --role ROLE` and hand them over in time.',
        ending.map(
          each => `${each.name} (${tokenRoles(each).join(', ')}): ${duration((each.expiresAt ?? now) - now)} left`,
        ),
      )
    }
    if (administrators.length > many) {
      return warn(
        `${administrators.length} tokens of administrators are in force.`,
        'Revoke those that nobody needs: `mooring token list`, then `mooring token revoke ID`.',
        administrators.map(({ name, id }) => `${name} (${id})`),
      )
    }
    return ok(`${counted(inForce.length, 'token')} in force, ${administrators.length} of them of administrators.`)
  },
}
