import {execFileSync} from 'node:child_process';
import {mkdir, readFile, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {beforeEach, describe, expect, it, vi} from 'vitest';
import {ConfigError} from '../../../../configs/config-error.ts';
import {parseLock, renderLock, type Lock} from '../../../../configs/lock-file.ts';
import {SourceText} from '../../../../configs/source-text.ts';
import type {FillWork, SourcesWork} from '../../../../api/components/content-work.ts';
import {packageList, type Step} from '../../../../api/components/step.ts';
import {loadProject, type Project, type ProjectOptions} from '../../../../api/pipeline/load-project.ts';
import {lockContent} from '../../../../api/pipeline/lock-content.ts';
import {makeContent, makeSourceList} from '../../../../api/pipeline/make-content.ts';
import {requestOf} from '../../../../api/pipeline/request-of.ts';
import {StepLog} from '../../../../api/pipeline/step-log.ts';
import type {StoreEntry} from '../../../../volumes/store-entry.ts';
import {makeBase, readImage} from '../content/rig.ts';
import {answer, serve, type FileServer, type GoodAnswer} from '../download/file-server.ts';
import {LoopbackRegistry, makeImage, digestOf} from '../registry/loopback-registry.ts';
import {makeTempFolder} from '../temp-folder.ts';
import {RunRig} from './run-rig.ts';

let folder = '';
beforeEach(async () => {
  folder = await makeTempFolder();
  vi.stubEnv('XDG_CACHE_HOME', join(folder, 'cache'));
});

const configs = (content: unknown) =>
  writeFile(join(folder, 'configs.json'), JSON.stringify({content_image: {config: content}}, null, 2));

const load = (options: ProjectOptions = {}) =>
  loadProject({config: join(folder, 'configs.json'), target: folder, ...options});

function ownSteps(project: Project): {sources: Step; image: Step; list: string | undefined} {
  const {selection, locked} = requestOf(project, {});
  const named = (name: string) => {
    const step = selection.steps.find((one) => one.name === name);
    if (step === undefined) throw new Error(`no step ${name}`);
    return step;
  };
  const sources = named('content_image.sources');
  return {sources, image: named('content_image'), list: locked.lists.get(sources.name)};
}

/** What the lock is after a build. */
function lockOf(project: Project, list: string): Lock {
  const lock: Lock = {
    format: 2,
    source_date_epoch: 1_700_000_000,
    base_image: {from: project.components.base_image.from, architectures: {}},
    content: lockContent(project.content?.sources ?? [], list),
    components: {},
  };
  return parseLock(new SourceText('hypriotkit.lock', renderLock(lock)));
}

const writeLock = (lock: Lock) => writeFile(join(folder, 'hypriotkit.lock'), renderLock(lock));

async function makeList(rig: RunRig, step: Step): Promise<string> {
  const work = await rig.volume.work(`list-${step.name}`, {});
  const log = new StepLog(step.name, rig.context.emit);
  await makeSourceList(step.client as SourcesWork, work, rig.context, log);
  return readFile(join(rig.volume.folder, work.path, packageList), 'utf8');
}

/** Makes the card and gives back what is on it. */
async function fill(rig: RunRig, step: Step, entries: readonly StoreEntry[]) {
  const scratch = await makeTempFolder();
  const outputs = join(scratch, 'outputs');
  await mkdir(outputs);
  const log = new StepLog(step.name, rig.context.emit);
  const inputs = new Map(entries.map((entry) => [entry.step, entry]));
  const names = await makeContent(step.client as FillWork, inputs, {scratch, outputs}, rig.context, log);
  const [packed = ''] = names;
  execFileSync('zstd', ['-dq', join(outputs, packed)]);
  const image = await readImage(join(outputs, packed.replace(/\.zst$/, '')));
  return {names, image, packed: await readFile(join(outputs, packed))};
}

const text = (content: string) => Buffer.from(content);

/** A server with files, by path; their versions are told by their content. */
const serveFiles = (files: Readonly<Record<string, GoodAnswer>>): Promise<FileServer> =>
  serve((request, response) => {
    const file = files[request.url ?? ''];
    if (file === undefined) response.writeHead(404).end();
    else answer(request, response, file);
  });

it('goes from a configuration to a filled card, and from its lock to the same one without any server', async () => {
  const files: Record<string, GoodAnswer> = {
    '/a.zim': {content: text('first zim'), etag: '"1"'},
    '/b.zim': {content: text('other zim'), lastModified: 'Tue, 14 Nov 2023 22:13:20 GMT'},
  };
  const server = await serveFiles(files);
  await using registry = await LoopbackRegistry.start();
  const image = makeImage(['one']);
  registry.add('web', '1', image);
  await writeFile(join(folder, 'near.txt'), 'near');
  await writeFile(
    join(folder, 'image.yaml'),
    `files:
- {url: "${server.origin}/a.zim", to: /data/a.zim}
- {url: "${server.origin}/b.zim", to: /data/b.zim}
- {url: ./near.txt, to: /data/near.txt}
oci_images: ["${registry.host}/web:1"]
write_config: true
offspot: {timezone: Africa/Bamako}
`,
  );
  await configs('image.yaml');
  const project = await load();
  const {sources, image: step, list} = ownSteps(project);
  expect(list).toBeUndefined();
  expect(server.sentBytes()).toBe(0);
  expect(sources.settings).toMatchObject([
    {
      field: 'content_image.config',
      value: [
        `${registry.host}/web:1 ${digestOf(image.manifest)}`,
        `${server.origin}/a.zim etag "1"`,
        `${server.origin}/b.zim Tue, 14 Nov 2023 22:13:20 GMT, 9 bytes`,
      ].join('\n'),
    },
  ]);
  // What is told of the machine or is secret stays here.
  expect(JSON.stringify(step.settings)).not.toContain(folder);
  expect(step.settings.find(({variable}) => variable === 'OFFSPOT')).toMatchObject({secret: true});

  const rig = await RunRig.create();
  const found = await makeList(rig, sources);
  const base = await readFile(await makeBase(join(folder, 'base', 'card.img')));
  const card = await rig.volume.publish('a'.repeat(64), {'card.img': base}, {step: 'rpi_sd_image'});
  const listed = await rig.volume.publish('b'.repeat(64), {[packageList]: found}, {step: sources.name});
  const first = await fill(rig, step, [card, listed]);
  expect(first.names).toEqual([
    'hypriotos-rpi64-content-latest.img.zst',
    'hypriotos-rpi64-content-latest.img.zst.sha256',
  ]);
  expect(first.image.complaints).toBe('');
  expect(first.image.data.get('/a.zim')?.content?.toString()).toBe('first zim');
  expect(first.image.data.get('/b.zim')?.content?.toString()).toBe('other zim');
  expect(first.image.data.get('/near.txt')?.content?.toString()).toBe('near');
  expect(first.image.data.get('/conf/image.yaml')?.content?.toString()).toContain('write_config: true');
  const tars = [...first.image.data.keys()].filter((name) => name.endsWith('_web_1_linuxarm64v8.tar'));
  expect(tars).toHaveLength(1);
  expect(first.image.data.get(tars[0] ?? '')?.content?.includes(`"${registry.host}/web:1"`)).toBe(true);
  expect(first.image.boot.get('/offspot.yaml')).toBe('timezone: Africa/Bamako\n');

  // The list was downloaded once; filling took all from the cache.
  const sent = server.sentBytes();
  expect(sent).toBe('first zimother zim'.length);
  await writeLock(lockOf(project, found));
  server.seen.length = 0;
  registry.requests.length = 0;
  const locked = await load({offline: true});
  expect(locked.pinDifferences).toEqual([]);
  expect(ownSteps(locked).list).toBe(found);
  expect(ownSteps(locked).image.settings).toEqual(step.settings);
  const offline = await RunRig.create();
  Object.assign(offline.context, {offline: true});
  const entries = [
    await offline.volume.publish('a'.repeat(64), {'card.img': base}, {step: 'rpi_sd_image'}),
    await offline.volume.publish('b'.repeat(64), {[packageList]: found}, {step: sources.name}),
  ];
  expect((await fill(offline, ownSteps(locked).image, entries)).packed.equals(first.packed)).toBe(true);
  expect(server.seen).toEqual([]);
  expect(registry.requests).toEqual([]);
});

describe('what has changed at its server', () => {
  it('is noticed and named; what has not costs no content', async () => {
    const files: Record<string, GoodAnswer> = {
      '/a': {content: text('one'), etag: '"1"'},
      '/b': {content: text('two'), etag: '"1"'},
    };
    const server = await serveFiles(files);
    await configs({
      files: ['a', 'b'].map((name) => ({url: `${server.origin}/${name}`, to: `/data/${name}`})),
    });
    const rig = await RunRig.create();
    const before = await load();
    const list = await makeList(rig, ownSteps(before).sources);
    await writeLock(lockOf(before, list));

    const same = await load();
    expect(same.pinDifferences).toEqual([]);
    expect(ownSteps(same).list).toBe(list);
    expect(server.sentBytes()).toBe('onetwo'.length);

    files['/b'] = {content: text('three'), etag: '"2"'};
    const changed = await load();
    expect(changed.pinDifferences).toEqual([
      `content_image.config: ${server.origin}/b has changed since it was locked`,
    ]);
    expect(ownSteps(changed).list).toBeUndefined();
    const other = await makeList(await RunRig.create(), ownSteps(changed).sources);
    expect(other).not.toBe(list);
    expect(server.sentBytes()).toBe('onetwothree'.length);

    // A strict build has what the lock says, and asks nobody.
    server.seen.length = 0;
    const strict = await load({locked: true});
    expect(strict.pinDifferences).toEqual([]);
    expect(ownSteps(strict).list).toBe(list);
    expect(server.seen).toEqual([]);
  });

  it('is new each time where the server says nothing of versions, unless a checksum does', async () => {
    const server = await serveFiles({'/a': {content: text('one')}});
    await configs({files: [{url: `${server.origin}/a`, to: '/data/a'}]});
    const list = await makeList(await RunRig.create(), ownSteps(await load()).sources);
    await writeLock(lockOf(await load(), list));
    expect(ownSteps(await load()).list).toBeUndefined();

    const checksum = {algo: 'md5', value: 'f97c5d29941bfb1b2fdab0874906ab82'};
    await configs({files: [{url: `${server.origin}/a`, to: '/data/a', checksum}]});
    await writeLock(lockOf(await load(), list));
    expect(ownSteps(await load()).list).toBe(list);
  });

  it('is taken to be as in the lock while the server is not there', async () => {
    const files: Record<string, GoodAnswer> = {'/a': {content: text('one'), etag: '"1"'}};
    let isDown = false;
    const server = await serve((request, response) => {
      if (isDown) response.writeHead(503).end();
      else answer(request, response, files['/a'] ?? {content: text('')});
    });
    await configs({files: [{url: `${server.origin}/a`, to: '/data/a'}]});
    const before = await load();
    const list = await makeList(await RunRig.create(), ownSteps(before).sources);
    await writeLock(lockOf(before, list));
    isDown = true;
    const after = await load();
    expect(ownSteps(after).list).toBe(list);
    expect(after.contentNotices).toEqual([
      expect.stringMatching(/answers 503; it is taken to be as in the lock$/),
    ]);
  });
});

describe('what is wrong', () => {
  const issuesOf = async () => {
    const error = await load().then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    if (!(error instanceof ConfigError)) throw error;
    return error.issues.map(({file, line, column, message}) => [file, line, column, message].join(':'));
  };

  it('in the file has its place there', async () => {
    await writeFile(join(folder, 'image.yaml'), 'base: 1.2.1\nfiles:\n- {to: /etc/x, content: x}\n');
    await configs('image.yaml');
    const file = join(folder, 'image.yaml');
    expect(await issuesOf()).toEqual([
      `${file}:1:1:base must be left out here: it is the image of rpi_sd_image`,
      `${file}:3:8:files[0].to must be a path in /data`,
    ]);
  });

  it('in configs.json itself has its place there', async () => {
    await configs({output: {size: 'large'}, file: []});
    const file = join(folder, 'configs.json');
    const [first, second] = await issuesOf();
    expect(first).toMatch(`${file}:5:17:output.size must be a size`);
    expect(second).toMatch(`${file}:7:7:file is not known`);
  });

  it('is named with all sources that are not there', async () => {
    const server = await serveFiles({});
    await configs({
      files: ['a', 'b'].map((name) => ({url: `${server.origin}/${name}`, to: `/data/${name}`})),
    });
    await expect(load()).rejects.toThrow(
      /2 sources are not there:\n.*\/a: the server answers 404\n.*\/b: the server answers 404/,
    );
  });

  it('is a lock that does not say what the content is, in a strict build', async () => {
    await configs({files: [{url: 'http://127.0.0.1:9/a', to: '/data/a'}]});
    await writeLock({...lockOf(await load({locked: true}), ''), content: {}});
    expect((await load({locked: true})).pinDifferences).toEqual([
      'content_image.config: http://127.0.0.1:9/a is not in the lock',
    ]);
  });

  it('is a cache without what an offline build needs', async () => {
    const server = await serveFiles({'/a': {content: text('one'), etag: '"1"'}});
    await configs({files: [{url: `${server.origin}/a`, to: '/data/a'}]});
    const {sources, image} = ownSteps(await load());
    const rig = await RunRig.create();
    const list = await makeList(rig, sources);
    const base = await readFile(await makeBase(join(folder, 'base', 'card.img')));
    const entries = [
      await rig.volume.publish('a'.repeat(64), {'card.img': base}, {step: 'rpi_sd_image'}),
      await rig.volume.publish('b'.repeat(64), {[packageList]: list}, {step: sources.name}),
    ];
    vi.stubEnv('XDG_CACHE_HOME', join(folder, 'empty'));
    Object.assign(rig.context, {offline: true});
    await expect(fill(rig, image, entries)).rejects.toMatchObject({
      code: 'SOURCE_MISSING',
      message: `the build is offline, and the cache does not have ${server.origin}/a`,
    });
  });
});

it('nothing is asked where no content image is wanted', async () => {
  const server = await serveFiles({});
  await configs({files: [{url: `${server.origin}/a`, to: '/data/a'}]});
  expect((await load({components: ['rpi_kernel']})).content).toBeUndefined();
  expect(server.seen).toEqual([]);
});
