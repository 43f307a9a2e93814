import {expect, it} from 'vitest';
import * as api from '../../../api/index.ts';

it('exports what is documented and nothing else', () => {
  expect(Object.keys(api).sort()).toEqual([
    'PipelineError',
    'bootImage',
    'build',
    'clean',
    'defaultPackageVolume',
    'defaultVolume',
    'destroyVolume',
    'doctor',
    'ensureImage',
    'ensureVolume',
    'explain',
    'flash',
    'getVolumeContent',
    'listDevices',
    'personalise',
    'plan',
    'status',
    'upgrade',
    'upgradeImage',
    'verify',
  ]);
});
