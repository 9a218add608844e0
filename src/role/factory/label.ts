import { encode } from 'uqr'
import { CodecError } from '../../codec/error.ts'
import { OnboardingError } from '../../domain/error.ts'
import { keyHash, parseBootstrappingUri } from '../../protocol/dpp/uri.ts'

/**
 * What a label shows. By the name of the birth key whoever holds the label can tell the device, and not take it. By a
 * bootstrapping URI anybody can show the device a network (Wi-Fi Easy Connect, one-way): such a label belongs into the box.
 */
export interface UnitLabel {
  readonly manufacturer: string
  readonly model: string
  readonly serial: string
  /** SHA-256 of the SubjectPublicKeyInfo, hex. */
  readonly keyHash: string
  /** `DPP:…;;`: what the QR code holds in place of the name of the birth key, where the unit can be onboarded by it. */
  readonly bootstrappingUri?: string
}

/** Millimetres; 24 of them fill an A4 sheet of 3 columns and 8 rows. */
export const labelSize = { width: 63.5, height: 33.9 } as const

const perSheet = 24
const maxLabels = 10_000
const maxText = 600

/**
 * What the QR code holds: a name for the key of the device (RFC 6920 section 3) that carries model and serial number, for
 * whoever has to pick the right one from the list of waiting devices: `ni:///sha-256;<base64url>?sn=<serial>&m=<model>`.
 */
export function labelText({ keyHash, serial, model }: UnitLabel): string {
  const digest = Buffer.from(keyHash, 'hex')
  if (digest.length !== 32) throw new OnboardingError('input-invalid', { field: 'keyHash', rule: 'SHA-256 in hex' })
  return `ni:///sha-256;${digest.toString('base64url')}?sn=${encodeURIComponent(serial)}&m=${encodeURIComponent(model)}`
}

/** The reverse of `labelText`. Throws CodecError for any other text. */
export function decodeLabelText(text: string): Omit<UnitLabel, 'manufacturer' | 'bootstrappingUri'> {
  const [, digest, serial, model] =
    text.length > maxText
      ? []
      : (/^ni:\/\/\/sha-256;([A-Za-z0-9_-]{43})\?sn=([^&]{1,300})&m=([^&]{0,300})$/.exec(text) ?? [])
  if (digest === undefined || serial === undefined || model === undefined) {
    throw new CodecError('bad-value', 'not the text of a device label')
  }
  try {
    const label = {
      keyHash: Buffer.from(digest, 'base64url').toString('hex'),
      serial: decodeURIComponent(serial),
      model: decodeURIComponent(model),
    }
    // One text for one label: other escapes, and bits left over in the digest, are refused.
    if (labelText({ ...label, manufacturer: '' }) === text) return label
  } catch (error) {
    if (!(error instanceof URIError)) throw error
  }
  throw new CodecError('bad-encoding', 'the text of a device label is not in its one form')
}

/** One label as an SVG document of `labelSize`. */
export function labelSvg(label: UnitLabel): string {
  const { width, height } = labelSize
  const lines = [
    // A character of a monospaced font is 0.6 of its size wide, and 31 mm are left beside the QR code.
    { text: shortened(label.manufacturer, 21), size: 2.4, weight: 400 },
    { text: shortened(label.model, 18), size: 2.8, weight: 700 },
    { text: 'Serial number', size: 2.2, weight: 400 },
    ...pieces(label.serial, 18).map(text => ({ text, size: 2.8, weight: 700 })),
    { text: label.bootstrappingUri === undefined ? 'Key' : 'Wi-Fi Easy Connect, key', size: 2.2, weight: 400 },
    { text: fingerprint(shownKey(label)), size: 2.6, weight: 400 },
  ]
  let y = 3
  const texts = lines.map(({ text, size, weight }) => {
    y += size * 1.25
    return `<text x="32" y="${y.toFixed(2)}" font-size="${size}" font-weight="${weight}">${escapeMarkup(text)}</text>`
  })
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}mm" height="${height}mm" ` +
    `font-family="ui-monospace, monospace" role="img" aria-label="${escapeMarkup(`Label of unit ${label.serial}`)}">` +
    `<rect width="${width}" height="${height}" fill="#fff"/>${qrPath(label.bootstrappingUri ?? labelText(label), 2, 2.95, 28)}${texts.join('')}</svg>`
  )
}

/**
 * A page to print on A4 sheets of 3 x 8 labels, without script and without anything to load. Throws OnboardingError
 * `input-invalid` for more than 10 000 labels.
 */
export function labelSheet(title: string, labels: readonly UnitLabel[]): string {
  if (labels.length > maxLabels)
    throw new OnboardingError('input-invalid', { field: 'labels', rule: `at most ${maxLabels}` })
  const sheets: string[] = []
  for (let first = 0; first < labels.length; first += perSheet) {
    const cells = labels.slice(first, first + perSheet).map(label => `<li>${labelSvg(label)}</li>`)
    sheets.push(`<ol>${cells.join('\n')}</ol>`)
  }
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${escapeMarkup(title)}</title>
<style>
@page { size: A4; margin: 12.9mm 7.2mm }
* { margin: 0; padding: 0; box-sizing: border-box }
ol { display: grid; grid-template-columns: repeat(3, ${labelSize.width}mm); grid-auto-rows: ${labelSize.height}mm; column-gap: 2.5mm; list-style: none; break-after: page }
ol:last-child { break-after: auto }
svg { display: block }
@media screen { body { background: #ddd; padding: 1rem } ol { background: #fff; padding: 12.9mm 7.2mm; width: 210mm; margin: 0 auto 1rem } li { outline: .2mm dotted #999 } }
</style>
</head>
<body>
${sheets.join('\n')}
</body>
</html>
`
}

/** Dark modules as one path, `side` millimetres wide with the quiet zone of 4 modules that scanners need. */
function qrPath(text: string, x: number, y: number, side: number): string {
  const { data, size } = encode(text, { ecc: 'M', border: 4 })
  let path = ''
  for (const [row, modules] of data.entries()) {
    for (let column = 0; column < size; column++) {
      if (modules[column] !== true) continue
      let run = 1
      while (modules[column + run] === true) run++
      path += `M${column} ${row}h${run}v1h-${run}z`
      column += run
    }
  }
  const scale = (side / size).toFixed(5)
  return `<path transform="translate(${x} ${y}) scale(${scale})" shape-rendering="crispEdges" d="${path}"/>`
}

/** Of the key that the QR code carries or names. */
function shownKey({ keyHash: birthKey, bootstrappingUri }: UnitLabel): string {
  return bootstrappingUri === undefined ? birthKey : keyHash(parseBootstrappingUri(bootstrappingUri)).toString('hex')
}

/** The first 8 bytes: enough to tell the devices on one desk apart, and no proof. */
function fingerprint(keyHash: string): string {
  return pieces(keyHash.slice(0, 16), 4).join(' ')
}

function shortened(text: string, length: number): string {
  const characters = Array.from(text)
  return characters.length <= length ? text : `${characters.slice(0, length - 1).join('')}…`
}

function pieces(text: string, length: number): string[] {
  const characters = Array.from(text)
  const list: string[] = []
  for (let at = 0; at < characters.length; at += length) list.push(characters.slice(at, at + length).join(''))
  return list
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

/** For text and quoted attributes of HTML and SVG. Control characters, which XML cannot have, become U+FFFD. */
function escapeMarkup(text: string): string {
  return text
    .toWellFormed()
    .replace(/[&<>"']/g, character => entities[character]!)
    .replace(/[\p{Cc}\ufffe\uffff]/gu, '\ufffd')
}
