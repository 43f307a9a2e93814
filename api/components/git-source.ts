import type {ComponentName} from '../../configs/schema.ts';
import {gibibyte, sourceArchive, type PinnedFolder, type Step} from './step.ts';

/** The step that fetches a folder of a git repository for the next ones. */
export function checkoutStep(component: ComponentName, description: string, folder: PinnedFolder): Step {
  return {
    name: `${component}.source`,
    component,
    description,
    contract: 1,
    buildImage: component,
    imageName: '',
    command: [],
    settings: [
      {field: folder.field, variable: 'COMMIT', value: folder.commit},
      {field: folder.field, variable: 'FOLDER', value: folder.folder},
    ],
    inputs: [],
    outputs: [{name: sourceArchive, delivered: false}],
    network: false,
    memoryBytes: gibibyte,
    checkout: folder,
  };
}
