import { decodeCertificate } from '../../codec/x509/certificate.ts'
import { OnboardingError } from '../../domain/error.ts'
import type { TrustedManufacturer } from '../../domain/site.ts'
import { masaBaseUrl } from '../../protocol/brski/endpoint.ts'
import { everyRow, type MasaProbe, type ReadablePatient } from './patient.ts'

/** At a time: one that is slow must not hold up all others, and nobody is flooded. */
const atOnce = 8

/** Asks the MASAs whose address is known; none unless the terms allow it. */
export async function probeMasas(patient: ReadablePatient): Promise<readonly MasaProbe[]> {
  if (!patient.terms.network) return []
  const known = patient.party === 'site' ? await trusted(patient) : await own(patient)
  const waiting = known.values()
  const found: MasaProbe[] = []
  const worker = async () => {
    for (const manufacturer of waiting) found.push(await probe(patient, manufacturer))
  }
  await Promise.all(Array.from({ length: atOnce }, worker))
  return found.toSorted((a, b) => (a.name < b.name ? -1 : 1))
}

type Asked = Pick<TrustedManufacturer, 'name' | 'anchors' | 'masaAnchors' | 'masaPrivateAddress'> & {
  readonly masaUrl: string
}

async function trusted(patient: ReadablePatient): Promise<Asked[]> {
  const found: Asked[] = []
  for await (const each of everyRow(patient, 'manufacturer')) {
    if (each.masaUrl !== undefined) found.push({ ...each, masaUrl: each.masaUrl })
  }
  return found
}

/** A manufacturer's own, by its own roots; it may well be on this machine. */
async function own(patient: ReadablePatient): Promise<Asked[]> {
  const { masaUrl } = patient
  if (masaUrl === undefined) return []
  const anchors: string[] = []
  for await (const { certificate } of everyRow(patient, 'issuer')) {
    const { basicConstraints } = decodeCertificate(Buffer.from(certificate, 'base64'))
    if (basicConstraints?.cA === true) anchors.push(certificate)
  }
  return [{ name: 'this factory', anchors, masaAnchors: [], masaPrivateAddress: true, masaUrl }]
}

async function probe({ clock, host }: ReadablePatient, asked: Asked): Promise<MasaProbe> {
  const { name, masaUrl } = asked
  const start = performance.now()
  const milliseconds = () => Math.round(performance.now() - start)
  try {
    const url = masaBaseUrl(masaUrl)
    const { date } = await host.masa(url, asked, clock)
    return { name, url, milliseconds: milliseconds(), ...(date === undefined ? {} : { date }) }
  } catch (error) {
    const failure = error instanceof OnboardingError ? error : new OnboardingError('internal', {}, { cause: error })
    return { name, url: masaUrl, failure, milliseconds: milliseconds() }
  }
}
