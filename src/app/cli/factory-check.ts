import type { Command } from 'commander'
import { CodecError } from '../../codec/error.ts'
import { decodeCertificate } from '../../codec/x509/certificate.ts'
import { OnboardingError } from '../../domain/error.ts'
import { checkIdevid } from '../../role/factory/check.ts'
import type { Finding } from '../../role/factory/finding.ts'
import { type Cli, collected, described, type Task } from './command.ts'
import { exitCode } from './exit.ts'
import { readCertificates } from './file.ts'
import { wrapped } from './table.ts'
import { harmless } from './terminal.ts'

interface CheckOptions {
  readonly anchor?: readonly string[]
}

export function checkCommand(cli: Cli, command: Command): void {
  described(command.argument('<file>', 'birth certificate, PEM or DER; further certificates in it are its chain'), {
    summary: 'say what a birth certificate would meet in the field',
    text: `Exit code ${exitCode.unverified} when some honest peer would refuse the device.`,
    examples: ['factory check unit.pem --anchor device-root.pem'],
  })
    .option('--anchor <file>', 'root that buyers are given; again for each', collected)
    .action(cli.run<CheckOptions, [string]>(check))
}

async function check(task: Task<CheckOptions>, path: string): Promise<number> {
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
