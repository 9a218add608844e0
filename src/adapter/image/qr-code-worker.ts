import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { parentPort, workerData } from 'node:worker_threads'
import { prepareZXingModule, readBarcodes } from 'zxing-wasm/reader'

/** Reads one picture and ends. In a thread of its own: what a picture does to the decoder ends with it. */
const { picture } = workerData as { readonly picture: Uint8Array }
const wasm = readFileSync(createRequire(import.meta.url).resolve('zxing-wasm/reader/zxing_reader.wasm'))
// From the package: left to itself the library would fetch it from the web.
prepareZXingModule({ overrides: { wasmBinary: new Uint8Array(wasm).buffer } })
const found = await readBarcodes(picture, { formats: ['QRCode'], tryHarder: true, maxNumberOfSymbols: 16 })
parentPort?.postMessage(found.filter(({ isValid }) => isValid).map(({ text }) => text.slice(0, 8192)))
