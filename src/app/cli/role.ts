import { type RoleName, roleLine, roleNames } from '../../domain/authority.ts'
import { choice } from './command.ts'
import { wrapped } from './table.ts'

const oneRole = choice(roleNames)

/** For `--role`, again and again. */
export function collectedRoles(text: string, before: readonly RoleName[] = []): readonly RoleName[] {
  return [...before, oneRole(text)]
}

/** Every role with one line about it. */
export function roleHelp(): string {
  return roleNames
    .map(role => {
      const [line, ...more] = wrapped(roleLine(role), 66)
      return [`  ${role.padEnd(29)}${line}`, ...more.map(each => `${' '.repeat(31)}${each}`)].join('\n')
    })
    .join('\n')
}
