import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'

/** Program, and the Debian package that brings it. */
const programs: readonly (readonly [program: string, debianPackage: string])[] = [
  ['qemu-system-x86_64', 'qemu-system-x86'],
  ['busybox', 'busybox-static'],
  ['modprobe', 'kmod'],
  ['cpio', 'cpio'],
  ['gzip', 'gzip'],
  ['xz', 'xz-utils'],
  ['dpkg-deb', 'dpkg'],
  ['apt-get', 'apt'],
  ['bash', 'bash'],
  ['hostapd', 'hostapd'],
  ['wpa_supplicant', 'wpasupplicant'],
  ['iw', 'iw'],
  ['ip', 'iproute2'],
  ['ping', 'iputils-ping'],
  ['tcpdump', 'tcpdump'],
  ['openssl', 'openssl'],
  ['curl', 'curl'],
  ['unshare', 'util-linux'],
]

/** Debian keeps what only root uses out of a user's PATH. MOORING_LAB_PATH takes the place of all of it. */
export const searchPath =
  process.env['MOORING_LAB_PATH'] ?? `${process.env['PATH'] ?? ''}${delimiter}/usr/local/sbin:/usr/sbin:/sbin`

export function findProgram(name: string, path = searchPath): string | undefined {
  return path
    .split(delimiter)
    .map(folder => join(folder, name))
    .find(place => {
      try {
        accessSync(place, constants.X_OK)
        return true
      } catch {
        return false
      }
    })
}

/** Debian packages that have to be installed before the lab can run; empty when all are there. */
export function missingPackages(path = searchPath): readonly string[] {
  return [...new Set(programs.filter(([name]) => findProgram(name, path) === undefined).map(([, from]) => from))]
}
