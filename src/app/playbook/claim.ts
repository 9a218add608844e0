import type { CapabilityId } from '../../domain/playbook.ts'
import type { Claim } from './judge.ts'

const demonstrated = (note: string): Claim => ({ type: 'demonstrated', note })
const notYet = (note: string): Claim => ({ type: 'not-yet', note })

/** What is claimed for BRSKI over a wired network, capability by capability. */
export const wiredClaims: Readonly<Record<CapabilityId, Claim>> = {
  'S0.C1': demonstrated('The device makes its key in a sealed key store in software; the factory sees a CSR only.'),
  'S0.C2': demonstrated("The maker's device CA signs the birth certificate; a forgery under the same names is known."),
  'S0.C3': demonstrated('Ownership is at the MASA, the signed manifest at the buyer; altered, it is refused whole.'),
  'S1.C1': demonstrated(
    'The registrar authenticates the device by IDevID and proof of possession; clones and replays fail.',
  ),
  'S1.C2': demonstrated('Expected or approved devices are admitted; others wait or are refused, with the reason.'),
  'S1.C3': demonstrated('The device knows the network by the pin of a voucher that its maker signed for this request.'),
  'S1.C4': demonstrated("The maker's MASA gives vouchers to the owner and authorized onboarders only."),
  'S1.C5': demonstrated('The key is made on the device, the certificate comes over TLS, and no two devices share one.'),
  'S1.C6': {
    type: 'simulated',
    note: 'software-backed (simulated): virtual devices keep their keys in sealed files, with no hardware behind them.',
  },
  'S1.C7': demonstrated(
    'Among decoys the device joins the network that its voucher pins, and the credential names it.',
  ),
  'S1.C8': demonstrated(
    'Two models of two makers are onboarded by one registrar; the second protocol has its own builds.',
  ),
  'S2.C1': notYet('Network-layer onboarding conveys no application-layer information yet.'),
  'S2.C2': notYet('The factory installs no application-layer information yet.'),
  'S2.C3': notYet('There is no application service yet.'),
  'S3.C1': demonstrated(
    'A factory reset deletes it on the device, a revocation ends it at the site; each is asked for.',
  ),
  'S3.C2': {
    type: 'simulated',
    note: "The site's presence service, which stands in for a switch port here, refuses a deleted credential at once.",
  },
  'S3.C3': demonstrated('After the deletion the device onboards again from its birth credential, with a new key.'),
  'S3.C4': notYet('There is no application-layer onboarding yet.'),
  'S4.C1': notYet('No attestation yet.'),
  'S4.C2': notYet('No attestation yet, and no application service.'),
  'S4.C3': notYet('No attestation yet.'),
  'S4.C4': notYet('No network segments yet.'),
  'S4.C5': notYet('Nobody watches the traffic of devices yet.'),
  'S4.C6': notYet('No network segments yet.'),
  'S4.C7': notYet('The network is not entered through an authenticator that asks again (802.1X) yet.'),
  'S4.C8': demonstrated(
    "Decided again when policies or facts change, and hourly; a refusal ends open connections to the site's services and " +
      'renewal at once. A port that really closes waits for network access, and the record says so.',
  ),
  'S5.C1': notYet('No firmware updates yet.'),
  'S5.C2': demonstrated(
    "The site's CA signs a request for a key made on the device; the device takes no other CA's answer.",
  ),
  'S5.C3': demonstrated(
    'A device with a clock sees that its credential ran out; one without is told so by its own network. Both start anew.',
  ),
  'S5.C4': notYet('No attestation of servers yet.'),
  'S5.C5': notYet(
    'The MUD URL is bound to the birth certificate and recorded, but over TLS 1.2 client certificates travel in the ' +
      'clear, and nothing enforces the intent yet.',
  ),
  'S5.C6': notYet('There is no lifecycle management service yet.'),
}
