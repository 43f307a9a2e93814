import {describe, expect, it} from 'vitest';
import {noImagePins, noPins} from '../../../api/components/pins.ts';
import {allSteps} from '../../../api/components/components.ts';
import type {Step} from '../../../api/components/step.ts';
import {lockedLists, lockLocation, makeLock} from '../../../api/pipeline/lock.ts';
import {defaultConfigs} from '../../../configs/default-configs.ts';
import type {Lock} from '../../../configs/lock-file.ts';
import type {ArtifactStore} from '../../../volumes/artifact-store.ts';
import type {StoreEntry} from '../../../volumes/store-entry.ts';

const configs = defaultConfigs();
const steps = allSteps(configs);
const resolving = steps.filter((step) => step.resolves);

function withConfig<K extends keyof typeof configs>(name: K, changes: Partial<(typeof configs)[K]>): Step[] {
  return allSteps({...configs, [name]: {...configs[name], ...changes}});
}

const listOf = (step: string) =>
  `${step.replace(/[._]/g, '-')}\t1.0\tarm64\t${'a'.repeat(64)}\t7\tpool/x.deb\n`;

const apt = (architecture: string) => ({name: 'apt', version: '1', architecture, sha256: 'a'.repeat(64)});

/** The lock of a build with the default configuration. */
async function lockOf(previous?: Lock, selected: readonly Step[] = steps): Promise<Lock> {
  const entries = new Map(
    selected.filter((step) => step.resolves).map(({name}) => [name, {step: name} as StoreEntry]),
  );
  const store = {
    readText: (entry: StoreEntry) => Promise.resolve(listOf(entry.step)),
  } as unknown as ArtifactStore;
  const base = {
    from: 'debian',
    architecture: 'amd64',
    pins: noPins,
    imagePins: noImagePins,
    baseTools: {packages: [apt('amd64')]},
    epoch: 1_795_054_374,
  };
  return makeLock({store, steps: selected, entries, previous, ...base});
}

describe('lockedLists', () => {
  it('gives every list while the configuration asks for the same', async () => {
    const {lists, differences} = lockedLists(await lockOf(), steps);
    expect(differences).toEqual([]);
    expect([...lists.keys()]).toEqual(resolving.map((step) => step.name));
    for (const [step, list] of lists) expect(list).toBe(listOf(step));
  });

  it('gives none without a lock, and says which are not in it', () => {
    const {lists, differences} = lockedLists(undefined, steps);
    expect(lists.size).toBe(0);
    expect(differences).toContain('root_fs is not in the lock');
  });

  it('says which package is new, and asks again for what builds on it, but for nothing else', async () => {
    const {lists, differences} = lockedLists(await lockOf(), withConfig('root_fs', {packages: ['vim']}));
    expect(differences).toEqual(['root_fs.packages +vim', 'rpi_sd_image builds on what has changed']);
    expect([...lists.keys()]).toEqual(['rpi_bootloader.resolve', 'rpi_kernel.resolve']);
  });

  it('offers the old list of the same suite to stay close to, and none of another suite', async () => {
    const lock = await lockOf();
    const more = lockedLists(lock, withConfig('root_fs', {packages: ['vim']}));
    expect([...more.previous.keys()]).toEqual(['root_fs.resolve', 'rpi_sd_image.resolve']);
    const other = lockedLists(lock, withConfig('root_fs', {suite: 'sid'}));
    expect([...other.previous.keys()]).toEqual([]);
    expect(lockedLists(lock, steps).previous.size).toBe(0);
  });

  it('does not mind what installs no packages', async () => {
    const changed = withConfig('root_fs', {hostname: 'reef', password: 'secret'});
    expect(lockedLists(await lockOf(), changed).differences).toEqual([]);
  });

  it.each([
    ['root_fs', {suite: 'sid'}, 'root_fs.suite "trixie" → "sid"'],
    ['root_fs', {target: 'armhf-debian'}, 'root_fs.target "arm64" → "armhf"'],
    ['rpi_sd_image', {docker_engine_version: '1'}, 'rpi_sd_image.docker_engine_version "debian" → "1"'],
    ['base_image', {mirror: 'http://localhost/debian'}, 'base_image.mirror "" → "http://localhost/debian"'],
  ] as const)('notices %s %j', async (component, changes, difference) => {
    const {differences} = lockedLists(await lockOf(), withConfig(component, changes));
    expect(differences).toContain(difference);
  });

  it('does not take a list for another root_fs than it was made for', async () => {
    const lock = await lockOf();
    const {root_fs: rootFs} = lock.components;
    const packages = rootFs?.packages.map((item) => ({...item, version: '2.0'})) ?? [];
    const edited = {
      ...lock,
      components: {...lock.components, root_fs: {request: rootFs?.request ?? {}, packages}},
    };
    expect(lockedLists(edited, steps).differences).toEqual([
      'rpi_sd_image builds on another list of root_fs.resolve',
    ]);
  });
});

describe('makeLock', () => {
  it('keeps what other builds have locked', async () => {
    const previous = await lockOf();
    const arm = {...previous.base_image.architectures, arm64: {packages: [apt('arm64')]}};
    const boot = {architectures: {amd64: {packages: [apt('amd64')]}}};
    const both = {...previous, base_image: {...previous.base_image, architectures: arm}, boot};
    const kernel = steps.filter((step) => step.component === 'rpi_kernel');
    expect(await lockOf(both, kernel)).toEqual(both);
  });
});

describe('lockLocation', () => {
  it('is beside configs.json, else in the target, else nowhere', () => {
    expect(lockLocation({file: '/project/my.json'}, {target: '/out'})).toBe('/project/hypriotkit.lock');
    expect(lockLocation({file: undefined}, {target: '/out'})).toBe('/out/hypriotkit.lock');
    expect(lockLocation({file: undefined}, {})).toBeUndefined();
  });
});
