import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { findProgram, searchPath } from './requirement.ts'

/** What the guest boots. */
export interface Kernel {
  readonly image: string
  readonly initrd: string
  /** The folder that holds a folder per kernel version. */
  readonly modules: string
}

/** The lab cannot run on this machine as it is; the message says what to do. */
export class LabUnavailable extends Error {}

/** What the initrd must load before it can reach the host's files; everything else comes from there. */
const firstModules = ['virtio_pci', '9pnet_virtio', '9p', 'overlay']

export function cacheFolder(): string {
  const base = process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache')
  return join(base, 'mooring', 'wifi-lab')
}

/**
 * Debian's kernel package, downloaded and unpacked once, never installed, and an initrd made new for each run.
 * Throws `LabUnavailable` when the package cannot be had.
 */
export function prepareKernel(init: string, tell: (text: string) => void): Kernel {
  const cache = cacheFolder()
  mkdirSync(cache, { recursive: true })
  const tree = join(cache, 'kernel')
  if (!existsSync(tree)) fetchKernel(cache, tree, tell)
  // Debian 13 has /usr/lib/modules, Debian 12 /lib/modules.
  const usr = join(tree, 'usr')
  const root = existsSync(join(usr, 'lib', 'modules')) ? usr : tree
  const modules = join(root, 'lib', 'modules')
  const [version] = readdirSync(modules)
  const image = readdirSync(join(tree, 'boot')).find(name => name.startsWith('vmlinuz-'))
  if (version === undefined || image === undefined) throw new LabUnavailable(`${tree} holds no kernel: remove it`)
  if (!existsSync(join(modules, version, 'modules.dep'))) run('depmod', ['-b', root, version])
  const initrd = join(cache, 'initrd.gz')
  buildInitrd({ root, version, init, initrd })
  return { image: join(tree, 'boot', image), initrd, modules }
}

function fetchKernel(cache: string, tree: string, tell: (text: string) => void): void {
  const named = process.env['MOORING_LAB_KERNEL'] ?? newestKernel()
  tell(`downloading ${named} (70 MB, once)`)
  const place = mkdtempSync(join(cache, 'download-'))
  try {
    run('apt-get', ['download', '-qq', named], { cwd: place })
    const archive = readdirSync(place).find(name => name.endsWith('.deb'))
    if (archive === undefined) throw new LabUnavailable(`apt-get left no ${named}`)
    const part = join(place, 'kernel')
    run('dpkg-deb', ['-x', join(place, archive), part])
    renameSync(part, tree)
  } finally {
    rmSync(place, { recursive: true, force: true })
  }
}

/** The meta package names the kernel of the day. */
function newestKernel(): string {
  const shown = run('apt-cache', ['depends', 'linux-image-amd64'], {}, () => '')
  const [, name] = /Depends: (linux-image-\d\S*)/.exec(shown) ?? []
  if (name === undefined) {
    throw new LabUnavailable('no kernel in the package lists: run `apt-get update` (Debian on amd64 is needed)')
  }
  return name
}

interface InitrdPlan {
  /** Holds lib/modules. */
  readonly root: string
  readonly version: string
  readonly init: string
  readonly initrd: string
}

function buildInitrd({ root, version, init, initrd }: InitrdPlan): void {
  const busybox = findProgram('busybox') ?? ''
  // It runs where there is no other file: its package of the same name without -static brings one that cannot.
  if (readFileSync(busybox).includes('/ld-linux')) {
    throw new LabUnavailable(`${busybox} is not static: apt-get install busybox-static`)
  }
  const tree = mkdtempSync(join(tmpdir(), 'mooring-initrd-'))
  try {
    for (const folder of ['bin', 'proc', 'sys', 'dev', 'host', 'module']) mkdirSync(join(tree, folder))
    cpSync(busybox, join(tree, 'bin', 'busybox'), { dereference: true })
    cpSync(init, join(tree, 'init'))
    chmodSync(join(tree, 'init'), 0o755)
    writeFileSync(join(tree, 'module', 'order'), copyModules(root, version, join(tree, 'module')))
    const part = `${initrd}.part`
    run('bash', ['-c', 'set -o pipefail; find . | cpio -o -H newc --quiet | gzip -1 > "$1"', 'bash', part], {
      cwd: tree,
    })
    renameSync(part, initrd)
  } finally {
    rmSync(tree, { recursive: true, force: true })
  }
}

/** Copies the first modules and what they need; answers their file names in the order of loading. */
function copyModules(root: string, version: string, target: string): string {
  const order: string[] = []
  for (const name of firstModules) {
    // What is built into this kernel shows as `builtin`, and one that is gone as an error: neither is to be loaded.
    const shown = run('modprobe', ['-d', root, '-S', version, '--show-depends', name], {}, () => '')
    for (const [, file] of shown.matchAll(/^insmod (\S+)/gm)) {
      const bare = basename(file!).replace(/\.(xz|zst|gz)$/, '')
      if (order.includes(bare)) continue
      order.push(bare)
      if (file!.endsWith('.xz')) run('bash', ['-c', 'xz -dc "$1" > "$2"', 'bash', file!, join(target, bare)])
      else cpSync(file!, join(target, bare))
    }
  }
  return `${order.join('\n')}\n`
}

function run(
  program: string,
  args: readonly string[],
  options: { readonly cwd?: string } = {},
  otherwise?: () => string,
): string {
  try {
    const env = { ...process.env, PATH: searchPath, LC_ALL: 'C' }
    return execFileSync(program, args, { ...options, env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
  } catch (error) {
    if (otherwise !== undefined) return otherwise()
    const { stderr } = error as { readonly stderr?: string }
    throw new LabUnavailable(`${program} ${args[0] ?? ''} failed: ${stderr?.trim() || String(error)}`)
  }
}
