import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { parentPort, workerData } from 'node:worker_threads'
import { prepareZXingModule, readBarcodes } from 'zxing-wasm/reader'
import { OnboardingError } from '../../domain/error.ts'
import { inspectPicture, requireUnpackable } from './picture.ts'

export interface QrCodeAnswer {
  readonly texts?: readonly string[]
  /** Why it cannot be read. */
  readonly reason?: string
}

/** Reads one picture and ends. In a thread of its own: what a picture does to the decoder ends with it. */
async function read(picture: Buffer): Promise<QrCodeAnswer> {
  try {
    requireUnpackable(picture, inspectPicture(picture))
  } catch (error) {
    if (!(error instanceof OnboardingError)) throw error
    return { reason: String(error.detail['reason']) }
  }
  const wasm = readFileSync(createRequire(import.meta.url).resolve('zxing-wasm/reader/zxing_reader.wasm'))
  // From the package: left to itself the library would fetch it from the web.
  prepareZXingModule({ overrides: { wasmBinary: new Uint8Array(wasm).buffer } })
  const found = await readBarcodes(picture, { formats: ['QRCode'], tryHarder: true, maxNumberOfSymbols: 16 })
  return { texts: found.filter(({ isValid }) => isValid).map(({ text }) => text.slice(0, 8192)) }
}

const { picture } = workerData as { readonly picture: Uint8Array }
parentPort?.postMessage(await read(Buffer.from(picture)))
