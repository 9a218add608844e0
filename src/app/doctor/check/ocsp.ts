import { hash } from 'node:crypto'
import { decode } from '../../../codec/der/codec.ts'
import { CodecError } from '../../../codec/error.ts'
import { decodeOcspResponse, encodeOcspRequest, ocspStatus } from '../../../codec/ocsp.ts'
import { type Certificate, SubjectPublicKeyInfo } from '../../../codec/x509/certificate.ts'
import { type Check, type Finding, fail, ok, site, skipped } from '../check.ts'

/** RFC 9688 and RFC 5754: what every responder of today knows. */
const sha256 = { algorithm: '2.16.840.1.101.3.4.2.1' }

export const ocsp: Check = {
  id: 'ocsp',
  title: 'OCSP',
  about:
    'Where the site has a status port, asks it about the registrar’s certificate under the address that stands in credentials, ' +
    'and fails when nobody answers there, or no fresh answer that the certificate is good.',
  party: site,
  needs: 'nothing',
  async run({ host, running, clock }) {
    if (running?.statusUrl === undefined)
      return skipped('No status port is open; `mooring up --status-port` opens one.')
    const url = `${running.statusUrl}/ocsp`
    const question = encodeOcspRequest([certificateId(running.registrar, running.issuing)])
    try {
      const { status, body } = await host.post(url, question, 'application/ocsp-request')
      return status === 200 ? judge(body, clock(), url) : bad(`${url} answers HTTP ${status}.`)
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException
      return bad(`Nobody answers at ${url}.`, [code ?? message])
    }
  },
}

function judge(body: Buffer, now: number, url: string): Finding {
  try {
    const { status, data } = decodeOcspResponse(body)
    if (status !== ocspStatus.successful || data === undefined) return bad(`${url} answers with OCSP status ${status}.`)
    const [answer] = data.responses
    if (answer?.certStatus.type !== 'good')
      return bad(`${url} calls the registrar’s certificate ${answer?.certStatus.type}.`)
    const until = answer.nextUpdate?.getTime() ?? now
    if (until < now) return bad(`The answer of ${url} ended at ${new Date(until).toISOString()}.`)
    return ok(`${url} answers that the registrar’s certificate is good.`)
  } catch (error) {
    if (!(error instanceof CodecError)) throw error
    return bad(`${url} gives no OCSP answer.`, [error.message])
  }
}

function bad(finding: string, evidence?: readonly string[]): Finding {
  const action =
    'Look whether that name leads to this machine and the port is open; it stands in credentials, so who checks them asks there.'
  return fail(finding, action, evidence)
}

function certificateId({ serialNumber }: Certificate, { subject, spkiDer }: Certificate) {
  const key = decode(SubjectPublicKeyInfo, spkiDer).subjectPublicKey
  return {
    hashAlgorithm: sha256,
    issuerNameHash: hash('sha256', subject.der, 'buffer'),
    issuerKeyHash: hash('sha256', key, 'buffer'),
    serialNumber: Buffer.from(serialNumber),
  }
}
