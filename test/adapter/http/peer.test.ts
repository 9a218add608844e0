import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import { listenHttp } from '../../../src/adapter/http/api-server.ts'
import { connectPledge } from '../../../src/adapter/http/pledge-connection.ts'
import type { TlsCredential } from '../../../src/adapter/http/tls-profile.ts'
import { encodePem } from '../../../src/codec/pem.ts'
import type { EndpointRequest } from '../../../src/domain/port.ts'
import { needs } from '../../peer.ts'
import * as site from './site.ts'

/** Key, chain and root as the tools want them: in files. */
function files(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'mooring-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const write = (name: string, text: string | Buffer) => {
    writeFileSync(join(folder, name), text)
    return join(folder, name)
  }
  const credential = (name: string, of: TlsCredential) => {
    const { key, cert } = site.pems(of)
    const issuing = cert.slice(cert.indexOf('-----END CERTIFICATE-----') + 26)
    return {
      key: write(`${name}.key`, key),
      cert: write(`${name}.pem`, cert),
      issuing: write(`${name}-ca.pem`, issuing),
    }
  }
  const root = write('root.pem', encodePem('CERTIFICATE', site.domain.root.certificate.der))
  return { write, credential, root }
}

/** Standard output; rejects unless the program ends well. */
async function run(program: string, args: readonly string[], input = ''): Promise<string> {
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'] })
  let output = ''
  let errors = ''
  child.stdout.on('data', chunk => {
    output += chunk
  })
  child.stderr.on('data', chunk => {
    errors += chunk
  })
  child.stdin.on('error', () => {})
  child.stdin.end(input)
  const code = await new Promise<number | null>(resolve => child.on('close', resolve))
  if (code !== 0) throw new Error(`${program} ended with ${code}: ${errors}`)
  return output
}

const hex = (list: readonly Uint8Array[]) => list.map(der => Buffer.from(der).toString('hex'))

describe('curl', needs('curl'), () => {
  for (const version of ['1.2', '1.3']) {
    test(`posts over TLS ${version}: certificate chain, binary body, two requests on one connection`, async t => {
      const seen: EndpointRequest[] = []
      const chains: string[][] = []
      const endpoint = site.endpoint(request => {
        seen.push(request)
        chains.push(hex(request.peer.certificates))
        return { status: 200, body: Buffer.from(request.body).toReversed() }
      })
      const { port } = await site.site(t, { endpoints: [endpoint] })
      const { write, credential, root } = files(t)
      const { cert, key } = credential('idevid', site.idevid)
      const body = write('body', Buffer.from('0001feff', 'hex'))
      const url = `https://localhost:${port}/.well-known/brski/requestvoucher`
      const output = await run('curl', [
        ...['-sS', '--noproxy', '*', '--cacert', root, '--cert', cert, '--key', key],
        ...[`--tlsv${version}`, '--tls-max', version, '--resolve', `localhost:${port}:127.0.0.1`],
        ...['--data-binary', `@${body}`, '-w', '%{http_code} %{num_connects}\n', '-o', write('answer', ''), url],
        ...['-o', write('answer2', ''), url],
      ])
      assert.equal(output, '200 1\n200 0\n')
      assert.deepEqual(chains, [hex(site.idevid.certificateChain), hex(site.idevid.certificateChain)])
      assert.equal(Buffer.from(seen[1]!.body).toString('hex'), '0001feff')
    })
  }

  test('sends a large body after 100 Continue, or not at all', async t => {
    const endpoint = site.endpoint(({ body }) => ({ status: 200, body: `${body.length}` }))
    const { port } = await site.site(t, { endpoints: [endpoint] })
    const { write } = files(t)
    const post = (size: number) =>
      run('curl', [
        ...['-sS', '--noproxy', '*', '-k', '-H', 'Expect: 100-continue', '-w', ' %{http_code} %{size_upload}'],
        ...['--data-binary', `@${write('body', Buffer.alloc(size))}`, `https://127.0.0.1:${port}/`],
      ])
    assert.equal(await post(50_000), '50000 200 50000')
    assert.equal(await post(70_000), 'request-too-large: Request too large\n 413 0')
  })

  test('hears of a body that is too large although it is sending it', async t => {
    const { port } = await site.site(t)
    const { write } = files(t)
    const output = await run('curl', [
      ...['-sS', '--noproxy', '*', '-k', '-H', 'Expect:', '-w', ' %{http_code}'],
      ...['--data-binary', `@${write('body', Buffer.alloc(500_000))}`, `https://127.0.0.1:${port}/echo`],
    ])
    assert.equal(output, 'request-too-large: Request too large\n 413')
  })

  test('reads the API and an event stream', async t => {
    const listener = await listenHttp({
      host: '127.0.0.1',
      port: 0,
      log: site.recordingLog(),
      limits: { drainTime: 0 },
      fetch: async request => {
        if (request.method === 'POST') return new Response(await request.text(), { status: 201 })
        const body = ReadableStream.from(['data: 1\n\n', 'data: 2\n\n'].map(text => Buffer.from(text)))
        return new Response(body as ReadableStream<Uint8Array>, { headers: { 'Content-Type': 'text/event-stream' } })
      },
    })
    t.after(() => listener.close())
    const url = `http://127.0.0.1:${listener.port}/`
    const options = ['-sS', '--noproxy', '*']
    assert.equal(await run('curl', [...options, '-N', url]), 'data: 1\n\ndata: 2\n\n')
    assert.equal(await run('curl', [...options, '-d', 'a=b', '-w', ' %{http_code}', url]), 'a=b 201')
  })
})

describe('openssl s_client', needs('openssl'), () => {
  const request = 'GET /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'
  const client = (port: number, ...more: readonly string[]) =>
    run('openssl', ['s_client', '-connect', `127.0.0.1:${port}`, '-quiet', '-no_ign_eof', '-ign_eof', ...more], request)

  for (const [version, suite] of [
    ['-tls1_2', ['-cipher', 'ECDHE-ECDSA-AES256-GCM-SHA384']],
    ['-tls1_3', ['-ciphersuites', 'TLS_AES_256_GCM_SHA384']],
  ] as const) {
    test(`${version}: the registrar’s chain verifies, the device’s chain arrives`, async t => {
      const chains: string[][] = []
      const endpoint = site.endpoint(({ peer }) => {
        chains.push(hex(peer.certificates))
        return { status: 200, body: 'fine' }
      })
      const { port } = await site.site(t, { endpoints: [endpoint] })
      const { credential, root } = files(t)
      const { key, cert, issuing } = credential('idevid', site.idevid)
      const output = await client(
        port,
        ...[
          version,
          ...suite,
          '-curves',
          'P-384:P-256',
          '-CAfile',
          root,
          '-verify_return_error',
          '-verify_hostname',
          'localhost',
        ],
        ...['-cert', cert, '-key', key, '-cert_chain', issuing],
      )
      assert.match(output, /^HTTP\/1\.1 200 OK[\s\S]*fine$/)
      assert.deepEqual(chains, [hex(site.idevid.certificateChain)])
    })
  }

  test('no certificate, no SNI: answered all the same', async t => {
    const { port } = await site.site(t)
    assert.match(await client(port, '-noservername'), /^HTTP\/1\.1 200 /)
  })

  test('TLS 1.1 is refused', async t => {
    const { port } = await site.site(t)
    await assert.rejects(
      client(port, '-tls1_1', '-cipher', 'DEFAULT@SECLEVEL=0'),
      /protocol version|handshake failure|alert/,
    )
  })

  test('no ticket is given out', async t => {
    const { port } = await site.site(t)
    const output = await run('openssl', ['s_client', '-connect', `127.0.0.1:${port}`, '-tls1_2', '-ign_eof'], request)
    assert.doesNotMatch(output, /TLS session ticket:/)
    assert.match(output, /Secure Renegotiation IS supported/)
  })
})

test('openssl s_server as a registrar: the pledge gets its chain over both versions', needs('openssl'), async t => {
  const { credential } = files(t)
  const { key, cert, issuing } = credential('registrar', site.registrar)
  const started = Promise.withResolvers<number>()
  const server = spawn('openssl', [
    ...['s_server', '-accept', '127.0.0.1:0', '-cert', cert, '-key', key, '-cert_chain', issuing],
    ...['-Verify', '1', '-www'],
  ])
  t.after(() => server.kill())
  let text = ''
  server.stdout.on('data', chunk => {
    text += chunk
    const port = /ACCEPT 127\.0\.0\.1:(\d+)/.exec(text)?.[1]
    if (port !== undefined) started.resolve(Number(port))
  })
  const connection = await connectPledge({
    host: '127.0.0.1',
    port: await started.promise,
    credential: site.idevid,
    timeoutMs: 5000,
  })
  t.after(() => connection.close())
  assert.deepEqual(hex(connection.serverCertificates), hex(site.registrar.certificateChain))
  const reply = await connection.request(
    { method: 'GET', path: '/', headers: {} },
    { timeoutMs: 5000, maxBytes: 65536 },
  )
  assert.equal(reply.status, 200)
  assert.match(Buffer.from(reply.body).toString(), /TLSv1\.3/)
})
