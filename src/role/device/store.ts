import type { DeviceStore } from './port.ts'

export interface MemoryDeviceStore extends DeviceStore {
  /** All that is stored, by name: to be compared with what the factory wrote. */
  snapshot(): ReadonlyMap<string, Uint8Array>
}

/** Ends with the process: simulated devices and tests. */
export function memoryDeviceStore(): MemoryDeviceStore {
  const values = new Map<string, Uint8Array>()
  return {
    async read(name) {
      const value = values.get(name)
      return value === undefined ? undefined : Uint8Array.from(value)
    },
    async write(name, value) {
      values.set(name, Uint8Array.from(value))
    },
    async remove(name) {
      values.delete(name)
    },
    async list() {
      return [...values.keys()].sort()
    },
    snapshot: () => new Map(values),
  }
}
