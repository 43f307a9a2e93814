import type {VolumeHost} from '../../volumes/volume-host.ts';

/** The host of a volume that does not exist. */
export const emptyHost: VolumeHost = {
  label: '',
  run: () => Promise.reject(new Error('there is no volume')),
  runWithInput: () => Promise.reject(new Error('there is no volume')),
  stream: () => Promise.reject(new Error('there is no volume')),
  readFolder: () => Promise.resolve(new Map<string, Buffer>()),
  writeFile: () => Promise.reject(new Error('there is no volume')),
};
