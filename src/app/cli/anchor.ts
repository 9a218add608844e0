import * as z from 'zod'
import { CodecError } from '../../codec/error.ts'
import { decodeJson } from '../../codec/json.ts'
import { OnboardingError } from '../../domain/error.ts'
import { Checkpoint } from '../api/contract/audit.ts'
import { readInputFile } from './file.ts'

/** A checkpoint as `mooring audit checkpoint` printed it. Throws OnboardingError `file-unreadable`. */
export async function readAnchor(path: string): Promise<Checkpoint> {
  try {
    return Checkpoint.parse(decodeJson(await readInputFile(path)))
  } catch (cause) {
    if (!(cause instanceof CodecError || cause instanceof z.ZodError)) throw cause
    throw new OnboardingError('file-unreadable', { path, reason: 'it is no checkpoint' }, { cause })
  }
}
