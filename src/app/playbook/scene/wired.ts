import type { Scene } from '../lab.ts'
import { admissionScene, authenticationScene } from './authentication.ts'
import { certificateScene, credentialingScene, storageScene } from './credential.ts'
import { factoryScene } from './factory.ts'
import { intentScene } from './intent.ts'
import { interoperabilityScene } from './interoperability.ts'
import { networkScene, ownershipScene, selectionScene } from './network.ts'
import { reOnboardingScene, updateScene } from './re-onboarding.ts'
import { reauthorizationScene } from './reauthorization.ts'

/** All demonstrations of the build `brski-wired`, in the order in which they run. */
export const wiredScenes: Scene = [
  ...factoryScene,
  ...authenticationScene,
  ...admissionScene,
  ...networkScene,
  ...ownershipScene,
  ...credentialingScene,
  ...storageScene,
  ...selectionScene,
  ...interoperabilityScene,
  ...certificateScene,
  ...reOnboardingScene,
  ...reauthorizationScene,
  ...intentScene,
  ...updateScene,
]
