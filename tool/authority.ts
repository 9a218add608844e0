/** Writes docs/authority.md: who may call what, from the tables that the server itself goes by. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Operation } from '../src/app/api/contract/operation.ts'
import { api } from '../src/app/api/contract.ts'
import {
  authorities,
  bundleNames,
  functionalRoleNames,
  functionalRoles,
  roleBundles,
  roleNames,
  rolesWith,
} from '../src/domain/authority.ts'

export function authorityDocument(): string {
  return `${[
    '# Who may do what',
    'Written by `npm run authority` from `src/domain/authority.ts` and `src/app/api/contract.ts`, by which the server goes; a test',
    'holds this page against them, and another tries every cell of the matrix. Prose is in `docs/roles.md`.',
    '',
    '## Roles',
    'White paper (NIST CSWP, draft of 2020-09-08) section 5. What begins with `view.` is ours: what one may look at.',
    '',
    ...rows(['', 'role', 'does', 'authorities', 'looks at', 'requirement'], functionalRoleNames.map(roleRow)),
    '',
    ...rows(['', 'bundle', 'does', 'roles', 'looks at'], bundleNames.map(bundleRow)),
    '',
    '## Authorities',
    ...rows(
      ['authority', 'allows to'],
      Object.entries(authorities).map(([name, does]) => [`\`${name}\``, does]),
    ),
    '',
    '## Operations',
    'The columns are the roles above by their numbers; + : may call it. 2: needs two people where the site wants four eyes,',
    'of some inputs only when in brackets.',
    '',
    ...matrix(),
  ].join('\n')}\n`
}

const column: Readonly<Record<string, string>> = Object.fromEntries([
  ...functionalRoleNames.map((role, n) => [role, String(n + 1)]),
  ['administrator', 'A'],
  ['operator', 'O'],
  ['auditor', 'R'],
])

function roleRow(role: (typeof functionalRoleNames)[number]): string[] {
  const { name, does, authorities: given, views, requirement } = functionalRoles[role]
  return [column[role]!, `\`${role}\` ${name}`, does, list(given), list(views), requirement]
}

function bundleRow(bundle: (typeof bundleNames)[number]): string[] {
  const { does, roles, views } = roleBundles[bundle]
  const numbers = roles.map(role => column[role]).join(' ')
  return [column[bundle]!, `\`${bundle}\``, does, numbers, list(views)]
}

function matrix(): string[] {
  const cells = Object.entries<Operation>(api).map(([name, operation]) => {
    const { method, path, authority, fourEyes } = operation
    const may = rolesWith(authority)
    const who = roleNames.map(role => (authority.length === 0 || may.includes(role) ? '+' : ''))
    const pair = fourEyes === undefined ? '' : fourEyes === true ? '2' : '(2)'
    return [`\`${name}\``, `${method} \`${path}\``, needs(authority), pair, ...who]
  })
  return rows(['operation', '', 'needs one of', '', ...roleNames.map(role => column[role]!)], cells)
}

const deeds = Object.keys(authorities).filter(name => !name.startsWith('view.'))

function needs(authority: readonly string[]): string {
  if (authority.length === 0) return 'anybody'
  if (!deeds.every(name => authority.includes(name))) return list(authority)
  return ['any but the views', ...authority.filter(name => !deeds.includes(name)).map(name => `\`${name}\``)].join(', ')
}

function list(names: readonly string[]): string {
  return names.map(name => `\`${name}\``).join(' ')
}

function rows(head: readonly string[], body: readonly (readonly string[])[]): string[] {
  return [head, head.map(() => '---'), ...body].map(cells => `| ${cells.join(' | ')} |`)
}

if (import.meta.main) writeFileSync(join(import.meta.dirname, '../docs/authority.md'), authorityDocument())
