import { request as httpsRequest } from 'node:https'
import { encodePem } from '../../src/codec/pem.ts'
import type { MasaAnswer, MasaClient, MasaRequest } from '../../src/domain/port.ts'

// Stands in until the registrar's own HTTPS client is there.
export function plainMasaClient(): MasaClient {
  const post =
    (operation: string) =>
    ({ baseUrl, manufacturer, body, contentType, accept }: MasaRequest) =>
      new Promise<MasaAnswer>((resolve, reject) => {
        const ca = manufacturer.masaAnchors.map(text => encodePem('CERTIFICATE', Buffer.from(text, 'base64')))
        const headers = { 'content-type': contentType, accept }
        const sent = httpsRequest(`${baseUrl}/${operation}`, { method: 'POST', ca, headers, agent: false }, answer => {
          const chunks: Buffer[] = []
          answer.on('data', (chunk: Buffer) => chunks.push(chunk))
          answer.on('error', reject)
          answer.on('end', () =>
            resolve({
              status: answer.statusCode ?? 0,
              contentType: answer.headers['content-type'] ?? '',
              body: Buffer.concat(chunks),
            }),
          )
        })
        sent.on('error', reject)
        sent.end(body)
      })
  return { requestVoucher: post('requestvoucher'), requestAuditLog: post('requestauditlog') }
}
