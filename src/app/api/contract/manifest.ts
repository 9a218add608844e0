import * as z from 'zod'
import { type Contract, Instant, Page, pageOf } from './operation.ts'

export const ManifestView = z.object({
  id: z.string(),
  manufacturer: z.string(),
  devices: z.number().int(),
  importedAt: Instant,
  importedBy: z.string(),
})
export type ManifestView = z.infer<typeof ManifestView>

export const ManifestReport = z.object({
  manifest: ManifestView,
  new: z.number().int(),
  updated: z.number().int(),
  unchanged: z.number().int(),
  refused: z.array(z.object({ serial: z.string(), code: z.string() })),
})
export type ManifestReport = z.infer<typeof ManifestReport>

export const manifestOperations = {
  manifestImport: {
    method: 'POST',
    path: '/v1/manifests',
    summary: 'Import the signed manifest of a purchase',
    tag: 'manifest',
    authority: ['ownership.designate-first-owner', 'device.onboard', 'declaration.sign'],
    body: z.strictObject({ manifest: z.base64().max(70_000_000).describe('The signed file, base64') }),
    maxBody: 70_001_000,
    reply: ManifestReport,
  },
  manifestList: {
    method: 'GET',
    path: '/v1/manifests',
    summary: 'Imported manifests',
    tag: 'manifest',
    authority: ['view.supply'],
    query: Page,
    reply: pageOf(ManifestView),
  },
} as const satisfies Contract
