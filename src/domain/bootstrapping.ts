/**
 * What a site knows of the bootstrapping keys of its devices (Wi-Fi Easy Connect). The key is the device's identity there;
 * who put it on record is what the identity rests on: a manifest that the manufacturer signed, or a person who scanned a code.
 */
export interface BootstrappingKeyRecord {
  /** SHA-256 of the SubjectPublicKeyInfo as it stands in the URI, hex. */
  readonly id: string
  /** SHA-256 of "chirp" and the same octets, hex. Unique. */
  readonly chirpHash: string
  /** `DPP:…;;` as it was added. */
  readonly uri: string
  readonly device: string
  /** `ap`: an access point; it alone gets a Connector that devices take for one. */
  readonly netRole: 'sta' | 'ap'
  /** SHA-256 of the declaration that its manufacturer signed about it, the key of a document; absent: there is none. */
  readonly declaration?: string
  /** `manifest/<hash>` or `by <caller>`. */
  readonly source: string
  readonly addedBy: string
  readonly addedAt: number
  /** A removed one identifies nobody; it stays on record, so that it cannot come back as another device's. */
  readonly state: 'active' | 'removed'
}

/**
 * In place of a manufacturer's name for a device that is on record only because somebody scanned its code. No manufacturer
 * vouches for it, so it must not look like one of a manufacturer's: no trusted manufacturer can have a name with parentheses.
 */
export const scannedManufacturer = '(scanned)'

/** What a device's record says of its bootstrapping key. */
export interface BootstrappedDevice {
  /** SHA-256 of the key that is active, hex. */
  readonly bootstrappingKey?: string
}

export type BootstrappingEvent =
  | {
      readonly kind: 'bootstrapping-key-added'
      readonly body: {
        readonly key: string
        readonly chirpHash: string
        /** SHA-256, hex. Many may read events; whoever has the code itself can be the network of the device. */
        readonly uriHash: string
        readonly netRole: 'sta' | 'ap'
        readonly source: string
        readonly by: string
        /** SHA-256 of the declaration, hex. */
        readonly declaration?: string
      }
    }
  | { readonly kind: 'bootstrapping-key-removed'; readonly body: { readonly key: string; readonly by: string } }
  | {
      readonly kind: 'bootstrapping-key-proven'
      readonly body: {
        readonly key: string
        /** The device proved to know our key, too. */
        readonly mutual: boolean
      }
    }

export function evolveBootstrapping<D extends BootstrappedDevice>(device: D, event: BootstrappingEvent): D {
  switch (event.kind) {
    case 'bootstrapping-key-added':
      return { ...device, bootstrappingKey: event.body.key }
    case 'bootstrapping-key-removed': {
      if (device.bootstrappingKey !== event.body.key) return device
      const { bootstrappingKey: _, ...rest } = device
      return rest as D
    }
    case 'bootstrapping-key-proven':
      return device
  }
}
