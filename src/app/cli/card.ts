import * as z from 'zod'
import { CodecError } from '../../codec/error.ts'
import { decodeJson } from '../../codec/json.ts'
import type { Party } from '../../domain/declaration.ts'
import { OnboardingError } from '../../domain/error.ts'
import { readInputFile } from './file.ts'

const Card = z.strictObject({
  id: z.string().min(1).max(200),
  name: z.string().min(1).max(200),
  domains: z.array(z.base64().max(64)).min(1).max(16),
})

/** A card as `mooring site card` prints it. Throws OnboardingError `file-unreadable`. */
export async function readCard(path: string): Promise<Party> {
  try {
    return Card.parse(decodeJson(await readInputFile(path, 0x1_0000)))
  } catch (cause) {
    if (!(cause instanceof CodecError || cause instanceof z.ZodError)) throw cause
    throw new OnboardingError('file-unreadable', { path, reason: 'it is no buyer card' }, { cause })
  }
}
