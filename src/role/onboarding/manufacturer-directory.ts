import { type Certificate, decodeCertificate } from '../../codec/x509/certificate.ts'
import { attributeValues, type Name, nameKey } from '../../codec/x509/name.ts'
import { type TrustAnchor, trustStore } from '../../crypto/trust.ts'
import type { Store } from '../../domain/port.ts'
import type { TrustedManufacturer } from '../../domain/site.ts'
import type { Quirk } from '../../protocol/brski/quirk.ts'

export interface DirectoryEntry {
  readonly manufacturer: TrustedManufacturer
  readonly quirks: readonly Quirk[]
  /** Verifies vouchers: the MASA anchors, or the device anchors when none are given. */
  readonly voucherAnchors: readonly TrustAnchor[]
}

/** The trusted manufacturers with their anchors parsed, kept current with the record. */
export interface ManufacturerDirectory {
  current(): Promise<DirectorySnapshot>
  close(): void
}

export interface DirectorySnapshot {
  readonly anchors: readonly TrustAnchor[]
  /** Does the chain name one of these manufacturers? When it does not verify, it is then a forgery and not a stranger. */
  claimed(chain: readonly Certificate[]): boolean
  entry(name: string): DirectoryEntry | undefined
}

export function openManufacturerDirectory(store: Store): ManufacturerDirectory {
  let snapshot: Promise<DirectorySnapshot> | undefined
  const forget = () => {
    snapshot = undefined
  }
  const end = store.onCommit(forget, ['manufacturer'])
  return {
    current() {
      snapshot ??= load(store).catch(error => {
        snapshot = undefined
        throw error
      })
      return snapshot
    },
    close: end,
  }
}

async function load(store: Store): Promise<DirectorySnapshot> {
  const manufacturers = await store.read(async tables => {
    const all: TrustedManufacturer[] = []
    for (let after = ''; ; ) {
      const page = await tables.manufacturer.find({}, { after, limit: 1000 })
      all.push(...page)
      const last = page.at(-1)
      if (last === undefined || page.length < 1000) return all
      after = last.name
    }
  })
  const entries = new Map<string, DirectoryEntry>()
  const anchors: TrustAnchor[] = []
  const organizations = new Set<string>()
  for (const manufacturer of manufacturers) {
    const own = parse(manufacturer.anchors).map(certificate => ({ name: manufacturer.name, certificate }))
    const masa = parse(manufacturer.masaAnchors).map(certificate => ({ name: manufacturer.name, certificate }))
    anchors.push(...own)
    for (const { certificate } of own) for (const name of namesOf(certificate.subject)) organizations.add(name)
    entries.set(manufacturer.name, {
      manufacturer,
      quirks: manufacturer.quirks as readonly Quirk[],
      voucherAnchors: masa.length > 0 ? masa : own,
    })
  }
  return {
    anchors: trustStore(anchors).anchors,
    claimed: chain => chain.some(({ issuer }) => namesOf(issuer).some(name => organizations.has(name))),
    entry: name => entries.get(name),
  }
}

/** What a person would take for the maker's name: the whole subject, and the organization in it. */
function namesOf(name: Name): string[] {
  const organizations = attributeValues(name, 'organizationName').map(text => `O=${text.trim().toLowerCase()}`)
  return [nameKey(name), ...organizations]
}

function parse(anchors: readonly string[]): Certificate[] {
  return anchors.map(text => decodeCertificate(Buffer.from(text, 'base64')))
}
