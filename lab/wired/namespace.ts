import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { promisify } from 'node:util'

const call = promisify(execFile)

/**
 * Network namespaces of a lab: a device's port, the gateway, a server, and the site in the namespace that the lab itself runs in.
 * The lab is started in a namespace of its own, so that nothing of it is left when it ends.
 */
export const place = {
  site: { address: '10.99.1.2' },
  gateway: { address: '10.99.1.1', onDevices: '10.99.3.1', onServer: '10.99.2.1' },
  device: { address: '10.99.3.10' },
  server: { address: '10.99.2.2' },
} as const

export type NamespaceName = 'gateway' | 'device' | 'server'

export async function ip(...args: string[]): Promise<string> {
  return (await call('ip', args)).stdout
}

/** Runs a program in a namespace until it ends. */
export async function within(name: NamespaceName, program: string, ...args: string[]): Promise<string> {
  return (await call('ip', ['netns', 'exec', name, program, ...args])).stdout
}

/** Starts a program in a namespace. */
export function start(
  name: NamespaceName,
  program: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): ChildProcess {
  const stdio = ['pipe', 'pipe', 'pipe'] as const
  return spawn('ip', ['netns', 'exec', name, program, ...args], { stdio: [...stdio], env: { ...process.env, ...env } })
}

/** One cable from the device to the gateway, one to a server, one to the site. */
export async function layCables(): Promise<void> {
  await ip('link', 'set', 'lo', 'up')
  for (const name of ['gateway', 'device', 'server']) {
    await ip('netns', 'add', name)
    await ip('-n', name, 'link', 'set', 'lo', 'up')
  }
  await ip('link', 'add', 'site0', 'type', 'veth', 'peer', 'name', 'up0', 'netns', 'gateway')
  await ip('link', 'add', 'p1', 'netns', 'gateway', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', 'device')
  await ip('link', 'add', 's1', 'netns', 'gateway', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', 'server')
  await ip('addr', 'add', `${place.site.address}/24`, 'dev', 'site0')
  await ip('link', 'set', 'site0', 'up')
  await ip('route', 'add', '10.99.0.0/16', 'via', place.gateway.address)
  for (const [name, device, address] of [
    ['gateway', 'up0', place.gateway.address],
    ['gateway', 'p1', place.gateway.onDevices],
    ['gateway', 's1', place.gateway.onServer],
    ['device', 'eth0', place.device.address],
    ['server', 'eth0', place.server.address],
  ] as const) {
    await ip('-n', name, 'addr', 'add', `${address}/24`, 'dev', device)
    await ip('-n', name, 'link', 'set', device, 'up')
  }
  await ip('-n', 'device', 'route', 'add', 'default', 'via', place.gateway.onDevices)
  await ip('-n', 'server', 'route', 'add', 'default', 'via', place.gateway.onServer)
  await within('gateway', 'sysctl', '-qw', 'net.ipv4.ip_forward=1')
}

/** A device is taken off its cable and another one put on it. */
export async function plugIn(station: string): Promise<void> {
  await ip('-n', 'device', 'link', 'set', 'eth0', 'down')
  await ip('-n', 'device', 'link', 'set', 'eth0', 'address', station)
  await ip('-n', 'device', 'link', 'set', 'eth0', 'up')
  await ip('-n', 'device', 'route', 'replace', 'default', 'via', place.gateway.onDevices)
}
