import { join } from 'node:path'
import { createMasaClient } from '../../adapter/http/masa-client.ts'
import { openFileKeyStore } from '../../adapter/key/file.ts'
import { signVoucherArtifact } from '../../protocol/brski/artifact.ts'
import { brskiMediaType } from '../../protocol/brski/endpoint.ts'
import type { VoucherRequest } from '../../protocol/brski/voucher.ts'
import { hold } from './demonstration.ts'
import type { VirtualDevice } from './device.ts'
import type { Network } from './party.ts'

/**
 * A voucher without a nonce, as a network keeps one for the day on which it cannot reach the MASA (RFC 8995 section 3.1,
 * 7.3): asked for by the registrar in its own name, over TLS with its own certificate (section 5.4).
 */
export async function noncelessVoucher(network: Network, { serial, maker }: VirtualDevice): Promise<Uint8Array> {
  const { registrar, registrarLabel } = network.site.authority
  const keys = await openFileKeyStore({ directory: join(network.data, 'keys') })
  const key = await keys.tlsKey?.(registrarLabel)
  const manufacturer = await network.store.read(tables => tables.manufacturer.get(maker.name))
  hold(key !== undefined && manufacturer !== undefined, 'the registrar has a key, and trusts the maker')
  const value: VoucherRequest = { 'serial-number': serial, 'created-on': new Date() }
  const certificates = [registrar.certificate, ...registrar.chain]
  const format = 'voucher-cms+json'
  const body = await signVoucherArtifact({ format, kind: 'request', value, signer: registrar.signer, certificates })
  const client = createMasaClient({ credential: { key, certificateChain: certificates.map(({ der }) => der) } })
  try {
    const { baseUrl } = maker.site.manufacturer.masa
    const type = brskiMediaType[format]
    const answer = await client.requestVoucher({ manufacturer, baseUrl, body, contentType: type, accept: type })
    hold(answer.status === 200, `the MASA gives a nonceless voucher (it says ${answer.status})`)
    return answer.body
  } finally {
    client.close()
  }
}
