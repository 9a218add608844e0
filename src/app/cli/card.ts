import * as z from 'zod'
import { CodecError } from '../../codec/error.ts'
import { decodeJson } from '../../codec/json.ts'
import type { Party } from '../../domain/declaration.ts'
import { OnboardingError } from '../../domain/error.ts'
import type { BuyerParty } from '../../role/ownership/site-ownership.ts'
import { readInputFile } from './file.ts'

const Card = z.strictObject({
  id: z.string().min(1).max(200),
  name: z.string().min(1).max(200),
  domains: z.array(z.base64().max(64)).min(1).max(16),
  offerKey: z.base64().max(400).exactOptional(),
})

/** A card as `mooring site card` prints it. Throws OnboardingError `file-unreadable`. */
export async function readBuyerCard(path: string): Promise<BuyerParty> {
  try {
    return Card.parse(decodeJson(await readInputFile(path, 0x1_0000)))
  } catch (cause) {
    if (!(cause instanceof CodecError || cause instanceof z.ZodError)) throw cause
    throw new OnboardingError('file-unreadable', { path, reason: 'it is no buyer card' }, { cause })
  }
}

/** What a manufacturer needs of a card: the party as it stands in declarations. Throws as `readBuyerCard` does. */
export async function readCard(path: string): Promise<Party> {
  const { offerKey: _, ...party } = await readBuyerCard(path)
  return party
}
