import type { Command } from 'commander'
import { isPicture, pictureLimits } from '../../adapter/image/picture.ts'
import { createQrCodeReader } from '../../adapter/image/qr-code.ts'
import { CodecError } from '../../codec/error.ts'
import { decodeCertificate } from '../../codec/x509/certificate.ts'
import { OnboardingError } from '../../domain/error.ts'
import { checkBootstrappingUri, type UriFinding } from '../../protocol/dpp/uri-check.ts'
import { checkIdevid } from '../../role/factory/check.ts'
import type { Finding } from '../../role/factory/finding.ts'
import { defined } from '../defined.ts'
import { type Cli, collected, described, type Task } from './command.ts'
import { exitCode } from './exit.ts'
import { readCertificates, readInputFile } from './file.ts'
import { wrapped } from './table.ts'
import { harmless } from './terminal.ts'

interface CheckOptions {
  readonly anchor?: readonly string[]
  readonly mac?: string
  readonly serial?: string
  readonly channel?: readonly string[]
}

export function checkCommand(cli: Cli, command: Command): void {
  described(command.argument('<file>', 'birth certificate, PEM or DER; or DPP:…;;, or a file or picture with it'), {
    summary: 'say what a birth certificate, or a bootstrapping URI, would meet in the field',
    text: `Further certificates in the file are the chain of the first. Exit code ${exitCode.unverified} when some honest peer would refuse the device.`,
    examples: [
      'factory check unit.pem --anchor device-root.pem',
      'factory check "DPP:V:2;M:020000000100;K:MDkwEwYHKoZIzj0C…;;" --mac 02:00:00:00:01:00',
      'factory check label.png --channel 81/6',
    ],
  })
    .option('--anchor <file>', 'root that buyers are given; again for each', collected)
    .option('--mac <address>', 'of the radio, to be held against the URI')
    .option('--serial <text>', 'serial number, to be held against the URI')
    .option('--channel <class/channel>', 'where access points listen, 81/6; again for each', collected)
    .action(cli.run<CheckOptions, [string]>(check))
}

async function check(task: Task<CheckOptions>, path: string): Promise<number> {
  const uris = await bootstrappingUris(path)
  if (uris !== undefined) return checkUris(task, uris)
  const { anchor = [] } = task.options
  const [idevid, ...chain] = await readCertificates(path)
  const anchors = (await Promise.all(anchor.map(readCertificates))).flat()
  const findings = checkIdevid(idevid!, {
    chain: chain.map(certificateIn(path)),
    anchors: anchors.map(certificateIn(anchor.join(' '))).map(certificate => ({ name: 'anchor', certificate })),
  })
  task.answer({ file: path, findings }, () =>
    findings.length === 0 ? 'Nothing to say against it.' : text(task, findings),
  )
  return findings.some(({ severity }) => severity === 'error') ? exitCode.unverified : exitCode.done
}

/** Undefined for a file with something else. Throws OnboardingError `file-unreadable`, `picture-unreadable`, `code-missing`. */
async function bootstrappingUris(path: string): Promise<readonly string[] | undefined> {
  if (/^dpp:/i.test(path)) return [path]
  const bytes = await readInputFile(path, pictureLimits.bytes)
  if (isPicture(bytes)) {
    const codes = await createQrCodeReader().read(bytes)
    if (codes.length === 0) throw new OnboardingError('code-missing')
    return codes
  }
  const lines = bytes.subarray(0, 0x10_0000).toString('utf8').split(/\r?\n/)
  const uris = lines.filter(line => /^dpp:/i.test(line))
  return uris.length === 0 ? undefined : uris
}

function checkUris(task: Task<CheckOptions>, uris: readonly string[]): number {
  const { mac, serial, channel } = task.options
  const context = defined({ mac, serial, channels: channel })
  const checked = uris.map(uri => ({ uri, findings: checkBootstrappingUri(uri, context).findings }))
  task.answer({ uris: checked }, () => checked.map(each => uriText(task, each)).join('\n\n'))
  const bad = checked.some(({ findings }) => findings.some(({ severity }) => severity === 'error'))
  return bad ? exitCode.unverified : exitCode.done
}

function uriText(
  task: Task<CheckOptions>,
  { uri, findings }: { readonly uri: string; readonly findings: readonly UriFinding[] },
): string {
  const said = findings.map(({ section, ...rest }) => ({ ...rest, section: `Easy Connect section ${section}` }))
  return `${harmless(uri)}\n${said.length === 0 ? 'Nothing to say against it.' : text(task, said)}`
}

function certificateIn(path: string) {
  return (der: Uint8Array) => {
    try {
      return decodeCertificate(der)
    } catch (cause) {
      if (!(cause instanceof CodecError)) throw cause
      throw new OnboardingError('file-unreadable', { path, reason: cause.message }, { cause })
    }
  }
}

const styles = { error: 'red', warning: 'yellow', note: 'dim' } as const

function text({ paint }: Task<CheckOptions>, findings: readonly Finding[]): string {
  return findings
    .map(({ severity, rule, message, section }) =>
      [
        `${paint(styles[severity], severity)} ${rule} (${section})`,
        ...wrapped(harmless(message), 96).map(line => `    ${line}`),
      ].join('\n'),
    )
    .join('\n')
}
