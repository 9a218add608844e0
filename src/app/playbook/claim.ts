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

/** What is claimed for Wi-Fi Easy Connect over TCP: everything but the radio, which is in the Wi-Fi lab. */
export const wifiClaims: Readonly<Record<CapabilityId, Claim>> = {
  'S0.C1': demonstrated(
    'The device makes its bootstrapping key in a sealed key store in software; the factory sees the code.',
  ),
  'S0.C2': demonstrated('The bootstrapping key is bare; the maker signs in the manifest which device it belongs to.'),
  'S0.C3': demonstrated('The code comes with the signed manifest, or is scanned; a key is one device’s for good.'),
  'S1.C1': demonstrated('The device proves the key of its code; who has only photographed that is dropped.'),
  'S1.C2': demonstrated(
    'The same admission, policies and record as BRSKI; who is not let in gets no answer and no network.',
  ),
  'S1.C3': demonstrated(
    'With mutual authentication the device knows its network. One-way it takes whoever knows its code: the evidence then says ' +
      'implicit, and is never as good as a voucher.',
  ),
  'S1.C4': demonstrated(
    'By what its maker signed, which comes with the configuration, a device takes its owner’s networks only. A device that does ' +
      'not ask for it takes any: then this is implicit.',
  ),
  'S1.C5': demonstrated('Connectors for keys made on the device, secrets of its own under the key of the exchange.'),
  'S1.C6': notYet(
    'Bootstrapping and network keys are in sealed files: no token can do the arithmetic of Easy Connect.',
  ),
  'S1.C7': demonstrated('The configuration names the SSID; a decoy with the same one is turned down.'),
  'S1.C8': demonstrated('Two models of two makers by one Controller, which serves BRSKI, too.'),
  'S2.C1': notYet('The configuration carries no application-layer information yet.'),
  'S2.C2': notYet('The factory installs no application-layer information yet.'),
  'S2.C3': notYet('There is no application service yet.'),
  'S3.C1': demonstrated('The device forgets its networks; the site revokes Connector and secret.'),
  'S3.C2': demonstrated(
    'A revoked Connector is worth nothing at the Configurator. That an access point turns it away when it has expired, or a ' +
      'secret at once, is shown in the Wi-Fi lab.',
  ),
  'S3.C3': demonstrated('By its code the device is onboarded again, with a new key, unless it was denied.'),
  'S3.C4': notYet('There is no application-layer onboarding yet.'),
  'S4.C1': notYet('No attestation yet.'),
  'S4.C2': notYet('No attestation yet, and no application service.'),
  'S4.C3': notYet('No attestation yet.'),
  'S4.C4': notYet('Segments are assigned and configured; what they keep apart is shown in the Wi-Fi lab.'),
  'S4.C5': notYet('Nobody watches the traffic of devices yet.'),
  'S4.C6': notYet('Segments are assigned and configured; what they keep apart is shown in the Wi-Fi lab.'),
  'S4.C7': notYet('Shown in the Wi-Fi lab with 802.1X, not here.'),
  'S4.C8': notYet('Decided for all devices alike; shown on the wired build.'),
  'S5.C1': notYet('No firmware updates yet.'),
  'S5.C2': demonstrated('dot1x: the CSR of the exchange is answered at once with a certificate of the issuing CA.'),
  'S5.C3': notYet(
    'Connectors and certificates expire; a device that comes back by an expired Connector is shown in its tests.',
  ),
  'S5.C4': notYet('No attestation of servers yet.'),
  'S5.C5': demonstrated(
    'The MUD URL comes encrypted, bound to the bootstrapping key, and is held against what the maker signed.',
  ),
  'S5.C6': notYet('There is no lifecycle management service yet.'),
}
