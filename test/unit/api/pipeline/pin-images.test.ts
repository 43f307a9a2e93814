import {expect, it} from 'vitest';
import {lockedImages, lockImages, pinImages} from '../../../../api/pipeline/pin-images.ts';
import {RegistryCache} from '../../../../api/registry/registry-cache.ts';
import {defaultConfigs} from '../../../../configs/default-configs.ts';
import type {Lock} from '../../../../configs/lock-file.ts';
import {digestOf, LoopbackRegistry, makeImage} from '../registry/loopback-registry.ts';

const configsWith = (...preload: string[]) => {
  const configs = defaultConfigs();
  return {...configs, rpi_sd_image: {...configs.rpi_sd_image, preload}};
};
const lockWith = (images: Lock['images']): Lock => ({
  format: 2,
  source_date_epoch: 1_795_054_374,
  base_image: {from: 'debian', architectures: {}},
  images,
  components: {},
});

it('asks registries for what the lock does not have, and for nothing else', async () => {
  await using registry = await LoopbackRegistry.start();
  const [first, second] = [makeImage(['one']), makeImage(['two'])];
  registry.add('web', '1', first);
  const name = `${registry.host}/web:1`;
  const cache = new RegistryCache(undefined);
  const unlocked = lockedImages(undefined, configsWith(name));
  expect(unlocked.differences).toEqual([`rpi_sd_image.preload: ${name} is not in the lock`]);
  const images = lockImages(await pinImages(unlocked, cache));
  expect(images).toEqual({[name]: {digest: digestOf(first.manifest)}});

  // What the tag means later does not count.
  registry.add('web', '1', second);
  registry.requests.length = 0;
  const locked = lockedImages(lockWith(images), configsWith(name));
  expect(locked).toMatchObject({open: [], differences: []});
  expect(lockImages(await pinImages(locked, cache))).toEqual(images);
  expect(registry.requests).toEqual([]);
});

it('knows an image by its whole name, and forgets what is not wanted any more', () => {
  const digest = `sha256:${'a'.repeat(64)}`;
  const lock = lockWith({'docker.io/library/alpine:latest': {digest}, 'quay.io/x/y:1': {digest}});
  expect(lockedImages(lock, configsWith('alpine'))).toMatchObject({
    pins: new Map([['docker.io/library/alpine:latest', digest]]),
    open: [],
  });
});
