import { type Check, fail, ok, site, skipped } from '../check.ts'
import { nearest } from './crl.ts'

export const onboardingPort: Check = {
  id: 'onboarding-port',
  title: 'Onboarding port',
  about:
    'Connects to the port where devices onboard, from the machine of the site, and fails when nobody answers there, or when ' +
    'it shows another certificate than the registrar’s present one. Whether devices reach it says only their network.',
  party: site,
  needs: 'nothing',
  async run({ host, running }) {
    if (running === undefined) return skipped('The site does not run here; `mooring up` starts it.')
    const { port, root, registrar } = running
    const place = { host: nearest(running.host), port, path: '/.well-known/est/cacerts', root: root.der }
    try {
      const { status, certificate } = await host.get(place)
      if (!certificate.equals(registrar.der)) {
        return fail(
          `Port ${port} shows another certificate than the registrar’s.`,
          'Another program or an older process answers there: end it, and start the site again with `mooring up`.',
        )
      }
      if (status === 200) return ok(`Port ${port} answers with the registrar’s certificate.`)
      return fail(
        `Port ${port} answers HTTP ${status} to a request for CA certificates.`,
        'Look into the log of the site.',
      )
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException
      return fail(
        `Nobody answers at port ${port}.`,
        'Look into the log of the site, and whether a firewall of this machine closes the port.',
        [code ?? message],
      )
    }
  },
}
