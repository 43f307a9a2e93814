import type {Setting, Step} from '../../../../api/components/step.ts';
import type {StoreEntry} from '../../../../volumes/store-entry.ts';

/** A step that says nothing but what a test gives it. */
export function makeStep(given: Partial<Step> = {}): Step {
  return {
    name: 'root_fs',
    component: 'root_fs',
    description: 'a step',
    contract: 1,
    buildImage: 'root_fs',
    imageName: 'hypriotkit/root-fs:latest',
    command: ['/builder/build.sh'],
    settings: [],
    inputs: [],
    outputs: [],
    network: false,
    memoryBytes: 1024 ** 3,
    ...given,
  };
}

export function makeSetting(variable: string, value: string, secret = false): Setting {
  return {field: `root_fs.${variable.toLowerCase()}`, variable, value, secret};
}

/** A finished step with files of that content digest. */
export function makeEntry(given: Partial<StoreEntry> = {}): StoreEntry {
  return {
    format: 1,
    step: 'root_fs',
    fingerprint: 'f'.repeat(64),
    inputs: {},
    createdAt: '2026-01-01T00:00:00.000Z',
    durationMs: 1000,
    files: [],
    ...given,
  };
}
