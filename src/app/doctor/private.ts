import type { FileFacts } from './host.ts'

export interface LooseFile {
  readonly path: string
  readonly why: string
  readonly mend: string
}

/** What others can read or write, what belongs to somebody else, and links, which lead who knows where. */
export function looseFiles(files: readonly FileFacts[], user: number | undefined): LooseFile[] {
  const loose: LooseFile[] = []
  for (const { path, kind, mode, owner } of files) {
    if (kind === 'link') loose.push({ path, why: `${path} is a symbolic link`, mend: `put the file itself at ${path}` })
    else if ((mode & 0o077) !== 0) {
      const wanted = kind === 'directory' ? '700' : '600'
      loose.push({ path, why: `${path} has mode ${mode.toString(8)}`, mend: `chmod ${wanted} ${path}` })
    } else if (user !== undefined && owner !== user) {
      const why = `${path} belongs to user ${owner}, and we are ${user}`
      loose.push({ path, why, mend: `chown ${user} ${path}, or run as user ${owner}` })
    }
  }
  return loose
}

export function mendText(loose: readonly LooseFile[]): string {
  const [first] = loose
  const rest = loose.length > 1 ? `, and likewise the ${loose.length - 1} others` : ''
  return `Run: ${first?.mend ?? ''}${rest}. Whoever could read a key may have it: consider new ones.`
}
