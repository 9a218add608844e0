import { existsSync, mkdirSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** A part of one core that a process may use; `undo` lets it go. */
export interface CpuShare {
  undo(): void
}

const period = 10_000

/**
 * Gives a process a part of one core, by a control group of its own: two processes with a quarter of a core each show how
 * they scale on a machine that has two cores for them, the database and the load together. Undefined where that is not
 * ours to say: not root, or no `cpu` controller.
 */
export function shareCpu(pid: number, share: number): CpuShare | undefined {
  const quota = Math.round(period * share)
  for (const { parent, limits } of hierarchies(quota)) {
    if (!existsSync(parent)) continue
    const group = join(parent, `mooring-bench-${process.pid}-${pid}`)
    try {
      mkdirSync(group)
      for (const [file, value] of limits) writeFileSync(join(group, file), value)
      writeFileSync(join(group, 'cgroup.procs'), `${pid}`)
      const undo = () => {
        process.off('exit', undo)
        leave(group, parent, pid)
      }
      process.on('exit', undo)
      return { undo }
    } catch {
      remove(group)
    }
  }
  return undefined
}

function hierarchies(quota: number) {
  return [
    {
      parent: '/sys/fs/cgroup/cpu',
      limits: [
        ['cpu.cfs_period_us', `${period}`],
        ['cpu.cfs_quota_us', `${quota}`],
      ],
    },
    { parent: '/sys/fs/cgroup', limits: [['cpu.max', `${quota} ${period}`]] },
  ] as const
}

function leave(group: string, parent: string, pid: number): void {
  try {
    writeFileSync(join(parent, 'cgroup.procs'), `${pid}`)
  } catch {
    // It has ended.
  }
  remove(group)
}

function remove(group: string): void {
  try {
    rmdirSync(group)
  } catch {
    // Not made, or not empty: it goes with the machine.
  }
}
