import { type DeviceModel, fjordClimate } from '../../../src/role/device/model.ts'
import { RegistrarDouble } from './registrar-double.ts'
import { type BenchOptions, type Listener, onBench, VirtualTime } from './workbench.ts'
import { domain, type Made, type Maker, makeDevice, maker } from './world.ts'

export const origin = 'https://registrar.example'

/** One maker, one network that expects its device, and the device, unpacked. */
export async function scene(model: DeviceModel = fjordClimate) {
  const time = new VirtualTime()
  const made = await maker(model.manufacturer)
  const registrar = new RegistrarDouble(await domain('Harbour'), made, time.clock)
  const device = await makeDevice(made, model, 'FC-0001')
  const listeners = new Map<string, Listener>([[origin, registrar]])
  return {
    time,
    made,
    registrar,
    device,
    listeners,
    pledge: await onBench(device, listeners, { time }),
    /** The same device, or another, switched on anew. */
    bench: (where: ReadonlyMap<string, Listener>, which: Made, options: BenchOptions = {}) =>
      onBench(which, where, { time, ...options }),
    /** Another network; its vouchers come from whichever maker it can get them from. */
    rival: async (name: string, by: Maker, at: VirtualTime) => new RegistrarDouble(await domain(name), by, at.clock),
  }
}
