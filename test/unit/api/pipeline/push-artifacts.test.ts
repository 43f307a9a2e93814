import {randomBytes} from 'node:crypto';
import {afterEach, beforeEach, describe, expect, it} from 'vitest';
import {parseCacheOptions} from '../../../../api/pipeline/cache-options.ts';
import {pushArtifacts, type Sender} from '../../../../api/pipeline/push-artifacts.ts';
import {ArtifactRepository} from '../../../../api/registry/artifact-repository.ts';
import {parseRepository} from '../../../../api/registry/repository-name.ts';
import {RegistryStore} from '../../../../volumes/registry-store.ts';
import type {StoreEntry} from '../../../../volumes/store-entry.ts';
import {WritableRegistry} from '../registry/writable-registry.ts';
import {RunRig} from './run-rig.ts';
import {makeStep} from './step-rig.ts';

const packages = makeStep({name: 'root_fs.packages', outputs: [{name: 'p.tar', delivered: false}]});
const rootFs = makeStep({inputs: ['root_fs.packages'], outputs: [{name: 'r.tar', delivered: true}]});
const steps = [packages, rootFs];

let registry: WritableRegistry;
let rig: RunRig;
let entries: ReadonlyMap<string, StoreEntry>;
beforeEach(async () => {
  registry = await WritableRegistry.start();
  rig = await RunRig.create();
  const made = await rig.built(packages, {'p.tar': randomBytes(400_000)});
  entries = new Map([
    ['root_fs.packages', made],
    ['root_fs', await rig.built(rootFs, {'r.tar': randomBytes(500_000)}, made)],
  ]);
});
afterEach(() => registry[Symbol.asyncDispose]());

function sender(...cacheTo: readonly string[]): Sender {
  const {session, cache, emit, signal} = rig.context;
  return {
    selection: {requested: ['root_fs'], steps},
    cacheChoice: parseCacheOptions({cacheTo}, {}),
    store: rig.volume.store,
    lockFile: undefined,
    ...{session, cache, emit, signal},
  };
}

async function held(): Promise<Record<string, readonly string[] | string>> {
  await using repository = new ArtifactRepository(parseRepository(`${registry.host}/team/cache`, 'test'));
  const store = new RegistryStore(repository);
  const found = [...entries].map(async ([step, {fingerprint}]) => {
    const entry = await store.find(fingerprint);
    return [step, entry === undefined || 'problem' in entry ? 'nothing' : [...entry.held]] as const;
  });
  return Object.fromEntries(await Promise.all(found));
}

const warnings = () =>
  rig.events.flatMap((event) => (event.type === 'notice' && event.level === 'warning' ? [event] : []));

const ref = () => `${registry.host}/team/cache`;

describe('what a build sends', () => {
  it('is what was asked for, or everything', async () => {
    await pushArtifacts(sender(ref()), entries);
    // Of the step between, the digest of its file alone.
    expect(await held()).toEqual({'root_fs.packages': [], root_fs: ['r.tar']});
    await pushArtifacts(sender(`${ref()},mode=max`), entries);
    expect(await held()).toEqual({'root_fs.packages': ['p.tar'], root_fs: ['r.tar']});
    expect(warnings()).toEqual([]);
  });

  it('goes to every registry that can be reached, and what could not be sent is a warning', async () => {
    const [down, sent] = await pushArtifacts(sender('127.0.0.1:9/team/cache', `${ref()},mode=max`), entries);
    expect(down).toMatchObject({entries: 0, failure: expect.stringContaining('cannot be reached') as string});
    expect(sent).toMatchObject({to: ref(), entries: 2});
    expect(sent?.failure).toBeUndefined();
    expect(warnings().map(({message}) => message)).toEqual([
      expect.stringMatching(/^not everything was sent to 127\.0\.0\.1:9\/team\/cache: .*cannot be reached/),
    ]);
  });

  it('is whole as far as it came when a registry stops in the middle', async () => {
    const second = entries.get('root_fs')?.fingerprint ?? '';
    registry.intercept = ({method, path}, response) => {
      if (method !== 'PUT' || !path.endsWith(second)) return false;
      response.writeHead(403).end();
      return true;
    };
    const [result] = await pushArtifacts(sender(`${ref()},mode=max`), entries);
    expect(result).toMatchObject({entries: 1, failure: expect.stringContaining('403') as string});
    expect(await held()).toEqual({'root_fs.packages': ['p.tar'], root_fs: 'nothing'});
    registry.intercept = () => false;
    const before = registry.count(/^POST/);
    const [later] = await pushArtifacts(sender(`${ref()},mode=max`), entries);
    expect(later).toMatchObject({entries: 1, sentBytes: 0});
    expect(registry.count(/^POST/)).toBe(before);
  });

  it('leaves files alone that somebody else has made from the same inputs, and says so', async () => {
    await pushArtifacts(sender(ref()), entries);
    const mine = entries.get('root_fs');
    if (mine === undefined) throw new Error('it was made');
    const theirs = {...mine, files: mine.files.map((file) => ({...file, sha256: 'a'.repeat(64)}))};
    const before = new Map(registry.manifests);
    await pushArtifacts(sender(ref()), new Map([['root_fs', theirs]]));
    expect(registry.manifests).toEqual(before);
    expect(warnings().map(({message}) => message)).toEqual([
      `${ref()} has other files of root_fs, made from the same inputs; they stay`,
    ]);
  });
});
