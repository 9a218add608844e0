import type { Scene } from '../lab.ts'
import { wifiFactoryScene } from './wifi-factory.ts'
import { wifiCertificateScene, wifiReOnboardingScene } from './wifi-life.ts'
import { wifiAdmissionScene, wifiCredentialScene, wifiNetworkScene } from './wifi-onboarding.ts'

/** All demonstrations of the build `dpp-wifi`, in the order in which they run. */
export const wifiScenes: Scene = [
  ...wifiFactoryScene,
  ...wifiAdmissionScene,
  ...wifiNetworkScene,
  ...wifiCredentialScene,
  ...wifiReOnboardingScene,
  ...wifiCertificateScene,
]
