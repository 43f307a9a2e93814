import {randomBytes} from 'node:crypto';
import {join} from 'node:path';
import {afterAll, afterEach, describe, expect, it} from 'vitest';
import {ensureEmulator, keepEmulator} from '../../api/boot/emulator.ts';
import {label} from '../../api/docker/labels.ts';
import {DockerImages} from '../../api/docker/images.ts';
import {writeTar} from '../../api/docker/tar.ts';
import {buildImageSource, builtinBuildImages} from '../../api/engine/build-image.ts';
import {lockedTag} from '../../api/engine/locked-image.ts';
import {ensureSessionVolume, openPackageSession} from '../../api/engine/open-session.ts';
import type {EngineSession} from '../../api/engine/session.ts';
import {removeStaleRuns} from '../../api/engine/stale-runs.ts';
import {clean, PipelineError, status} from '../../api/index.ts';
import {ImageCache} from '../../volumes/image-cache.ts';
import {engine, newVolumeName, removeVolume, testBaseImage} from './engine.ts';

const volume = newVolumeName();
const packageVolume = `${volume}-packages`;
const tags = new Set<string>();

async function images(): Promise<DockerImages> {
  return new DockerImages(await engine());
}

/** A small image of one file more than the base image. */
async function makeImage(tag: string, labels: Record<string, string>): Promise<void> {
  const {reference} = await testBaseImage();
  const content = Buffer.from(`FROM ${reference}\nRUN echo ${tag} >/own\n`);
  const context = await writeTar([{name: 'Dockerfile', content}]);
  await (await images()).build({context, tag, labels, network: 'none'});
  tags.add(tag);
}

async function openTestSession(): Promise<EngineSession> {
  const session = await openPackageSession({volume, packageVolume});
  await ensureSessionVolume(session);
  session.useBaseImage((await testBaseImage()).reference);
  return session;
}

afterEach(async () => {
  for (const tag of tags) await (await images()).remove(tag);
  tags.clear();
});

afterAll(async () => {
  await removeVolume(volume);
  await removeVolume(packageVolume);
});

describe('the emulator that a lock names', () => {
  it('is loaded from the package volume, and not built again', async () => {
    await using session = await openTestSession();
    const base = await testBaseImage();
    const source = await buildImageSource(join(builtinBuildImages(), 'boot'), base);
    const tag = `hypriotkit-test/boot:${volume}`;
    await makeImage(tag, {[label.image]: 'boot', [label.source]: source});
    const locked = await keepEmulator(session, tag);
    expect(locked.packages.length).toBeGreaterThan(100);
    // A second time it is there already.
    expect(await keepEmulator(session, tag)).toEqual(locked);
    await session.images.remove(tag);
    const said: string[] = [];
    const report = {
      progress: (message: string) => void said.push(message),
      output: (line: string) => void said.push(line),
      warn: (message: string) => void said.push(message),
    };
    if (locked.image === undefined) throw new Error('it was not kept');
    const restored = lockedTag('hypriotkit/boot', locked.image);
    tags.add(restored);
    expect(await ensureEmulator(session, base, locked, report, undefined)).toEqual({
      reference: restored,
      isNew: false,
    });
    expect(said).toEqual(['preparing the emulator']);
    const found = await session.images.find(restored);
    expect(found).toMatchObject({content: locked.image.content, labels: {[label.source]: source}});
  });

  it('is kept anew when its file is damaged', async () => {
    await using session = await openTestSession();
    const tag = `hypriotkit-test/boot:${volume}-damaged`;
    await makeImage(tag, {[label.image]: 'boot'});
    const {image} = await keepEmulator(session, tag);
    if (image === undefined) throw new Error('it was not kept');
    const file = `.hypriotkit/packages/images/${image.content}.${image.sha256}.tar.gz`;
    await session.packageHost.run('printf x >>"$1"', [file]);
    const cache = new ImageCache(session.packageHost);
    expect(await cache.find(image.content)).toBeUndefined();
    expect((await keepEmulator(session, tag)).image).toMatchObject({content: image.content});
    expect(await cache.savingRuns()).toEqual([]);
  });
});

describe('the name of an image that a run was making', () => {
  it('goes with the run when it is dead, and stays while it may be alive', async () => {
    await using session = await openTestSession();
    const dead = randomBytes(6).toString('hex');
    const young = randomBytes(6).toString('hex');
    const name = (run: string) => `hypriotkit/base_image:unfinished-${run}`;
    for (const run of [dead, young, session.runId]) await makeImage(name(run), {[label.image]: 'base_image'});
    // What is left of an attendant whose process was killed.
    const attendant = await session.containers.create({
      image: (await testBaseImage()).reference,
      command: ['true'],
      network: 'none',
      labels: {...session.labels('attendant'), [label.run]: dead},
    });
    await attendant?.run(() => undefined);
    await removeStaleRuns(session);
    expect(await session.images.find(name(dead))).toBeUndefined();
    expect(await session.images.find(name(young))).toBeDefined();
    expect(await session.images.find(name(session.runId))).toBeDefined();
  });
});

describe('the package volume', () => {
  it('is counted by status, left alone by clean, and removed when that is asked for', async () => {
    {
      await using session = await openTestSession();
      await session.packageHost.run(
        'mkdir -p .hypriotkit/packages/sha256 && echo deb >.hypriotkit/packages/sha256/a.deb',
        [],
      );
    }
    const options = {volume, packageVolume};
    const before = (await status(options)).packages;
    expect(before).toMatchObject({volume: packageVolume, exists: true, packages: 1});
    expect(await clean({...options, keepBytes: 0})).toMatchObject({entries: []});
    expect((await status(options)).packages).toEqual(before);
    const removal = {
      volume: packageVolume,
      removed: [`package volume ${packageVolume}`],
      freedBytes: before.sizeBytes,
    };
    expect(await clean({...options, packages: true, dryRun: true})).toMatchObject(removal);
    await expect(clean({...options, packages: true, components: ['root_fs']})).rejects.toMatchObject({
      code: 'USAGE',
    });
    {
      await using session = await openTestSession();
      await session.run('true', []);
      await expect(clean({...options, packages: true})).rejects.toBeInstanceOf(PipelineError);
    }
    expect(await clean({...options, packages: true})).toMatchObject(removal);
    expect((await status(options)).packages).toMatchObject({exists: false});
    expect(await clean({...options, packages: true})).toMatchObject({removed: []});
  });
});
