import {randomBytes, generateKeyPairSync} from 'node:crypto';
import {writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {afterEach, beforeEach, describe, expect, it} from 'vitest';
import type {Step} from '../../../../api/components/step.ts';
import type {Notice} from '../../../../api/events/event.ts';
import {clean} from '../../../../api/pipeline/clean.ts';
import {parseCacheOptions} from '../../../../api/pipeline/cache-options.ts';
import {parseRepository} from '../../../../api/registry/repository-name.ts';
import {
  loadCacheSigningKey,
  loadTrustedKey,
  signatureTag,
  signEntry,
} from '../../../../api/pipeline/cache-signature.ts';
import {Executor} from '../../../../api/pipeline/executor.ts';
import {nodesOf} from '../../../../api/pipeline/step-node.ts';
import {planSteps} from '../../../../api/pipeline/plan-steps.ts';
import {TeamCache} from '../../../../api/pipeline/team-cache.ts';
import {ArtifactRepository} from '../../../../api/registry/artifact-repository.ts';
import {digestOf} from '../../../../api/registry/manifest.ts';
import {mediaType} from '../../../../volumes/registry-entry.ts';
import {RegistryStore} from '../../../../volumes/registry-store.ts';
import type {StoreEntry} from '../../../../volumes/store-entry.ts';
import {WritableRegistry} from '../registry/writable-registry.ts';
import {makeTempFolder} from '../temp-folder.ts';
import {RunRig} from './run-rig.ts';
import {makeStep} from './step-rig.ts';

const packages = makeStep({name: 'root_fs.packages', outputs: [{name: 'p.tar', delivered: false}]});
const rootFs = makeStep({
  inputs: ['root_fs.packages'],
  outputs: [{name: 'r.tar', delivered: true}],
});
const steps = [packages, rootFs];
const large = randomBytes(400_000);

let registry: WritableRegistry;
let repository: ArtifactRepository;
let remote: RegistryStore;
let rig: RunRig;
let notices: Notice[];
let made: {packages: StoreEntry; rootFs: StoreEntry};
beforeEach(async () => {
  registry = await WritableRegistry.start();
  repository = new ArtifactRepository(parseRepository(ref(), 'test'));
  remote = new RegistryStore(repository);
  notices = [];
  rig = await RunRig.create();
  const first = await rig.built(packages, {'p.tar': large});
  made = {packages: first, rootFs: await rig.built(rootFs, {'r.tar': Buffer.concat([large, large])}, first)};
});
afterEach(async () => {
  await repository[Symbol.asyncDispose]();
  await registry[Symbol.asyncDispose]();
});

const ref = () => `${registry.host}/team/cache`;

/** Sends both entries and empties the volume: what another machine sees. */
async function share(
  names: (entry: StoreEntry) => readonly string[] = () => ['p.tar', 'r.tar'],
): Promise<void> {
  for (const entry of [made.packages, made.rootFs]) {
    await remote.push(entry, rig.volume.store, new Set(names(entry)));
  }
  await rig.volume.store.remove([made.packages.fingerprint, made.rootFs.fingerprint]);
}

async function openCache(options: Parameters<typeof parseCacheOptions>[0] = {}): Promise<TeamCache> {
  const choice = parseCacheOptions({cacheFrom: [ref()], ...options}, {});
  return TeamCache.open(choice, (notice) => notices.push(notice));
}

async function execute(cache: TeamCache, mustStay: readonly string[] = [], which: readonly Step[] = steps) {
  const context = {...rig.context, cache};
  const outcomes = await new Executor(nodesOf(which), 2, {
    context,
    mustVerify: () => false,
    reasons: () => [],
    mustStay: (step) => mustStay.includes(step),
  }).execute();
  return Object.fromEntries(
    [...outcomes].map(([name, outcome]) => [
      name,
      outcome.ok ? [outcome.outcome, outcome.from, outcome.entry.origin] : [outcome.failure.reason],
    ]),
  );
}

/** Changes a blob as somebody with a disk of the registry could. */
function spoil(content: Buffer): void {
  const damaged = Buffer.from(content);
  damaged[17] = (damaged[17] ?? 0) ^ 1;
  for (const [digest, blob] of registry.blobs) if (blob.equals(content)) registry.blobs.set(digest, damaged);
}

describe('a run with a registry', () => {
  it('takes everything from there, says so, and fetches nothing that nobody reads', async () => {
    await share();
    await using cache = await openCache();
    expect(await execute(cache)).toEqual({
      'root_fs.packages': ['hit', ref(), undefined],
      root_fs: ['hit', ref(), undefined],
    });
    expect((await rig.volume.other().entries()).size).toBe(0);
    expect(rig.events).toContainEqual(
      expect.objectContaining({type: 'step-finished', step: 'root_fs', from: ref()}),
    );
    const planned = await planSteps(steps, rig.volume.other(), rig.context, cache);
    expect(planned.map(({action, from}) => [action, from])).toEqual([
      ['hit', ref()],
      ['hit', ref()],
    ]);
  });

  it('fetches what has to be in the volume, and remembers where it came from', async () => {
    await share();
    await using cache = await openCache();
    expect(await execute(cache, ['root_fs'])).toMatchObject({root_fs: ['hit', undefined, ref()]});
    const entries = await rig.volume.other().entries();
    expect([...entries.keys()]).toEqual([made.rootFs.fingerprint]);
    expect(await rig.volume.store.findCorrupt(made.rootFs)).toEqual([]);
  });

  it('needs no more than the digests of what lies between', async () => {
    await share((entry) => (entry.step === 'root_fs' ? ['r.tar'] : []));
    await using cache = await openCache();
    expect(await execute(cache, ['root_fs'])).toMatchObject({root_fs: ['hit', undefined, ref()]});
  });

  it.each([
    [
      'a tag that leads to another artifact',
      () => registry.manifests.set(`team/cache:${made.rootFs.fingerprint}`, manifestOf(made.packages)),
      /its tag leads to another artifact/,
    ],
    [
      'a manifest of something else',
      () =>
        registry.manifests.set(`team/cache:${made.rootFs.fingerprint}`, Buffer.from('{"schemaVersion":2}')),
      /not one of an artifact/,
    ],
    [
      'a list of files that is damaged',
      () => {
        const {config} = JSON.parse(manifestOf(made.rootFs).toString()) as {config: {digest: string}};
        registry.blobs.set(config.digest, Buffer.from('{}'));
      },
      /missing or damaged/,
    ],
  ])('does not use %s', async (_what, poison, message) => {
    await share();
    poison();
    await using cache = await openCache();
    const found = await cache.find(made.rootFs.fingerprint);
    expect(found).toBeUndefined();
    expect(notices).toMatchObject([{level: 'warning', message: expect.stringMatching(message) as string}]);
    // Said once.
    await cache.find(made.rootFs.fingerprint);
    expect(notices).toHaveLength(1);
  });

  it('does not use what was made from something else', async () => {
    const lie = {...made.rootFs, inputs: {...(made.rootFs.inputs as object), epoch: 1}};
    await remote.push(lie, rig.volume.store, new Set(['r.tar']));
    await using cache = await openCache();
    expect(await cache.find(made.rootFs.fingerprint)).toBeUndefined();
    expect(notices[0]?.message).toMatch(/made from something else/);
  });

  it.each([
    ['is damaged', () => spoil(large)],
    ['is lost', () => registry.blobs.delete(digestOf(large))],
  ])('makes a step whose file %s', async (_what, harm) => {
    await share();
    harm();
    await using cache = await openCache();
    // This engine can make nothing: that it is asked to is what counts.
    expect(await execute(cache, ['root_fs.packages'], [packages])).toEqual({
      'root_fs.packages': ['engine-failed'],
    });
    expect(notices[0]?.message).toBe(`root_fs.packages in ${ref()} is damaged; it is not used`);
    expect((await rig.volume.other().entries()).size).toBe(0);
  });

  it('goes on without a registry that is out of order, and says so once', async () => {
    registry.intercept = (_asked, response) => {
      response.writeHead(404, {}).end();
      return true;
    };
    await using down = await TeamCache.open(
      parseCacheOptions({cacheFrom: ['127.0.0.1:1/team/cache', ref()]}, {}),
      (notice) => notices.push(notice),
    );
    expect(await down.find(made.rootFs.fingerprint)).toBeUndefined();
    expect(await down.find(made.packages.fingerprint)).toBeUndefined();
    expect(notices).toHaveLength(1);
    expect(notices[0]?.message).toMatch(/cannot be reached.*; the build goes on without it$/);
  });
});

describe('signatures', () => {
  async function keys(): Promise<{secret: string; open: string}> {
    const folder = await makeTempFolder();
    const pair = generateKeyPairSync('ec', {namedCurve: 'prime256v1'});
    const [secret, open] = [join(folder, 'key.pem'), join(folder, 'key.pub')];
    await writeFile(secret, pair.privateKey.export({type: 'pkcs8', format: 'pem'}));
    await writeFile(open, pair.publicKey.export({type: 'spki', format: 'pem'}));
    return {secret, open};
  }

  it('are asked for where keys are trusted: of one of them, over these files', async () => {
    const [ours, theirs] = [await keys(), await keys()];
    await share();
    const key = await loadCacheSigningKey(ours.secret);
    expect(key.id).toBe((await loadTrustedKey(ours.open)).id);
    await remote.writeNote(
      signatureTag(made.packages, key),
      mediaType.signature,
      signEntry(made.packages, key),
    );
    // A signature of another entry under the tag of this one.
    await remote.writeNote(
      signatureTag(made.rootFs, key),
      mediaType.signature,
      signEntry(made.packages, key),
    );

    await using trusting = await openCache({cacheTrust: [theirs.open, ours.open]});
    expect(await trusting.find(made.packages.fingerprint)).toBeDefined();
    expect(await trusting.find(made.rootFs.fingerprint)).toBeUndefined();
    expect(notices.map(({message}) => message)).toEqual([
      expect.stringContaining('root_fs is not signed by any'),
    ]);
    await using strangers = await openCache({cacheTrust: [theirs.open]});
    expect(await strangers.find(made.packages.fingerprint)).toBeUndefined();
  });

  it('need a key that fits', async () => {
    const {secret, open} = await keys();
    const folder = await makeTempFolder();
    await writeFile(
      join(folder, 'rsa.pub'),
      generateKeyPairSync('rsa', {modulusLength: 2048}).publicKey.export({type: 'spki', format: 'pem'}),
    );
    for (const [load, file, what] of [
      [loadTrustedKey, secret, 'holds a private key'],
      [loadCacheSigningKey, open, 'holds no private key'],
      [loadTrustedKey, join(folder, 'rsa.pub'), 'is no EC key on P-256'],
      [loadTrustedKey, join(folder, 'none'), 'cannot be read'],
    ] as const) {
      await expect(load(file)).rejects.toMatchObject({
        code: 'KEY_UNUSABLE',
        message: expect.stringContaining(what) as string,
      });
    }
  });
});

describe('options', () => {
  it('come from the command, else from the environment', () => {
    const env = {
      HYPRIOTKIT_CACHE_FROM: 'one.example/a two.example:5000/b',
      HYPRIOTKIT_CACHE_TO: 'one.example/a,mode=max',
    };
    const choice = parseCacheOptions({}, env);
    expect(choice.from.map(({registry: host, repository: name}) => `${host}/${name}`)).toEqual([
      'one.example/a',
      'two.example:5000/b',
    ]);
    expect(choice.to[0]?.mode).toBe('max');
    expect(parseCacheOptions({cacheFrom: [], cacheTo: ['x.example/y']}, env)).toMatchObject({
      from: [],
      to: [{mode: 'min'}],
    });
  });

  it.each([
    'x.example/y:tag',
    'x.example/y,mode=all',
    'x.example/y,max',
    'X Y',
    'x.example/y,mode=min,mode=max',
    '',
  ])('are refused: --cache-to "%s"', (text) => {
    expect(() => parseCacheOptions({cacheTo: [text]}, {})).toThrow(/--cache-to/);
  });
});

function manifestOf({fingerprint}: StoreEntry): Buffer {
  return registry.manifests.get(`team/cache:${fingerprint}`) ?? Buffer.alloc(0);
}

describe('clean', () => {
  it('removes from a registry what is old, shows it first, and leaves images with tools and other tags', async () => {
    const old = {...made.packages, createdAt: '2020-01-01T00:00:00.000Z'};
    const tools = {...old, step: 'base_image', fingerprint: 'f'.repeat(64)};
    for (const entry of [old, made.rootFs, tools]) {
      await remote.push(entry, {readFile: reader, readText: reader}, new Set());
    }
    await remote.writeNote('packages-1', 'application/test', Buffer.from('{}'));
    const options = {registry: ref(), olderThanMs: 86_400_000};
    const before = registry.manifests.size;
    expect((await clean({...options, dryRun: true})).entries.map(({step}) => step)).toEqual([
      'root_fs.packages',
    ]);
    expect(registry.manifests.size).toBe(before);
    expect((await clean(options)).removed).toEqual(['root_fs.packages of 2020-01-01T00:00:00.000Z']);
    expect(await remote.find(old.fingerprint)).toBeUndefined();
    expect(await remote.find(made.rootFs.fingerprint)).toBeDefined();
    expect((await clean({registry: ref()})).entries.map(({step}) => step).sort()).toEqual([
      'base_image',
      'root_fs',
    ]);
    expect(await remote.readNote('packages-1', 'application/test')).toBeDefined();
    await expect(clean({registry: ref(), unreachable: true})).rejects.toMatchObject({code: 'USAGE'});
  });
});

/** For entries of which nothing but digests is kept. */
const reader = () => Promise.reject(new Error('nothing is read'));
