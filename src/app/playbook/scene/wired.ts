import type { Scene } from '../lab.ts'
import { factoryScene } from './factory.ts'

/** All demonstrations of the build `brski-wired`, in the order of the playbook. */
export const wiredScenes: Scene = [...factoryScene]
