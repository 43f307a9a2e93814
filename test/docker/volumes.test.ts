import {execFile} from 'node:child_process';
import {randomBytes} from 'node:crypto';
import {chmod, chown, mkdir, mkdtemp, open, readdir, readFile, rm, stat, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {promisify} from 'node:util';
import {afterAll, afterEach, beforeAll, beforeEach, describe, expect, it} from 'vitest';
import {build, clean, destroyVolume, ensureVolume, getVolumeContent, status} from '../../api/index.ts';
import {openSession} from '../../api/engine/open-session.ts';
import {deliver} from '../../api/pipeline/deliver.ts';
import {ArtifactStore} from '../../volumes/artifact-store.ts';
import {runCli, type ProcessOptions} from './cli.ts';
import {
  engine,
  inVolume,
  leftovers,
  newVolumeName,
  removeTestThings,
  removeVolume,
  runningStep,
  testBaseImage,
} from './engine.ts';
import {gate, mebibyte, Rig, shellStep} from './rig.ts';

/** A user that is not root, and does not exist: 1234 is nobody's number. */
const userId = 1234;

let volume: string;
let folder: string;
beforeAll(testBaseImage);
beforeEach(async () => {
  volume = newVolumeName();
  folder = await mkdtemp(join(tmpdir(), 'hypriotkit-test-volumes-'));
});
afterEach(async () => {
  await removeVolume(volume);
  await removeVolume(folder);
  await rm(folder, {recursive: true, force: true});
});
afterAll(removeTestThings);

/** A small image, so that a build takes about a second. */
async function smallConfig(path = join(folder, 'configs.json')): Promise<string> {
  const blank = {size: '320MiB', boot_size: '64MiB', image: 'hypriotkit-test/tool:latest'};
  await writeFile(path, JSON.stringify({blank_image: blank}));
  return path;
}

const files = ['rpi-raw.img.zip', 'rpi-raw.img.zip.sha256'];

/** Who may use the engine without being root. */
async function asUser(): Promise<ProcessOptions> {
  const {gid} = await stat('/var/run/docker.sock');
  return {uid: userId, gid, env: {HOME: folder, TMPDIR: tmpdir()}};
}

const canBeOthers = process.getuid?.() === 0;

const command = promisify(execFile);

/** Root in a container may be forbidden to mount. */
const canMount = canBeOthers && (await tryMount());

async function tryMount(): Promise<boolean> {
  const probe = await mkdtemp(join(tmpdir(), 'hypriotkit-test-mount-'));
  try {
    await command('mount', ['-t', 'tmpfs', 'tmpfs', probe]);
    await command('umount', [probe]);
    return true;
  } catch {
    return false;
  } finally {
    await rm(probe, {recursive: true});
  }
}

describe('a named volume', () => {
  it('is created with the label that says what it holds', async () => {
    await ensureVolume({volume});
    const docker = await engine();
    const {Labels: labels, Driver: driver} = await docker.getVolume(volume).inspect();
    expect({labels, driver}).toEqual({labels: {content: 'hypriot-os'}, driver: 'local'});
    // A second time is no mistake.
    await ensureVolume({volume});
  });

  it('shows, hands out and removes what it holds', async () => {
    const {artifacts} = await build({volume, config: await smallConfig()});
    expect(artifacts.map(({step, name}) => [step, name])).toEqual(files.map((name) => ['blank_image', name]));

    const found = await status({volume});
    expect(found).toMatchObject({volume, exists: true, entries: [{step: 'blank_image', artifacts}]});
    expect(found.sizeBytes).toBe(artifacts.reduce((sum, {sizeBytes}) => sum + sizeBytes, 0));

    const target = join(folder, 'copy');
    const delivered = await getVolumeContent({volume, target});
    expect(delivered.map(({name, unchanged}) => [name, unchanged])).toEqual(
      files.map((name) => [name, false]),
    );
    expect((await readdir(target)).sort()).toEqual(files);
    expect(await leftovers(volume)).toEqual([]);

    await destroyVolume({volume});
    expect(await status({volume})).toMatchObject({volume, exists: false, sizeBytes: 0, entries: []});
    await expect(destroyVolume({volume})).rejects.toMatchObject({code: 'VOLUME_NOT_FOUND'});
    await expect(getVolumeContent({volume, target})).rejects.toMatchObject({code: 'VOLUME_NOT_FOUND'});
  });

  it('loses the artifacts of one component, and only those, to clean', async () => {
    await using rig = new Rig(volume);
    await rig.make(shellStep('rpi_kernel', 'echo kernel >out'));
    await rig.make(shellStep('rpi_sd_image.docker', 'echo docker >out'));
    await rig.make(shellStep('rpi_sd_image', 'echo image >out'));

    const result = await clean({volume, components: ['rpi_sd_image']});

    expect(result.volume).toBe(volume);
    expect(result.removed).toHaveLength(2);
    expect(result.freedBytes).toBe('docker\n'.length + 'image\n'.length);
    expect((await status({volume})).entries.map(({step}) => step)).toEqual(['rpi_kernel']);
    expect(await inVolume(volume, 'ls .hypriotkit/entries | wc -l')).toBe('1\n');
    expect(await clean({volume, components: ['blank_image']})).toMatchObject({removed: [], freedBytes: 0});
  });

  it('is not cleaned while another run works on it', async () => {
    const rig = new Rig(volume);
    const run = rig.start([shellStep('slow', `${gate} echo >out`)]);
    await runningStep(volume, 'slow');

    await expect(clean({volume, components: ['blank_image']})).rejects.toMatchObject({
      code: 'VOLUME_BUSY',
      message: expect.stringMatching(/^\S+@\S+, process \d+ is working on hypriotkit-test-/) as string,
    });

    await rig.release('slow');
    await run.finished;
  });

  it('that is in use is not destroyed', async () => {
    await ensureVolume({volume});
    const docker = await engine();
    const container = await docker.createContainer({
      Image: (await testBaseImage()).reference,
      HostConfig: {Mounts: [{Type: 'volume', Source: volume, Target: '/volume'}]},
    });
    await expect(destroyVolume({volume})).rejects.toMatchObject({code: 'VOLUME_BUSY'});
    await container.remove();
  });

  it.each(['a', '-name', 'a b', 'a/b', 'ü', ''])('cannot be called "%s"', async (name) => {
    await expect(build({volume: name})).rejects.toMatchObject({code: 'VOLUME_UNUSABLE'});
  });

  it('is checked before anything is built: exit status 2', async () => {
    const {code, stderr} = await runCli(['build', 'blank_image', '--volume', 'no/name']);
    expect(code).toBe(2);
    expect(stderr).toContain('"no/name" is neither the name of a volume nor the path of a folder');
  });
});

describe('a mapped folder', () => {
  it('keeps its store below .hypriotkit and gets the artifacts', async () => {
    const config = await smallConfig(join(folder, 'my.json'));
    await writeFile(join(folder, 'mine.txt'), 'mine');

    const result = await build({volume: folder, config});
    expect(result.volume).toBe(folder);
    expect((await readdir(folder)).sort()).toEqual(
      ['.hypriotkit', 'build.json', 'hypriotkit.lock', 'mine.txt', 'my.json', ...files].sort(),
    );
    expect((await readdir(join(folder, '.hypriotkit'))).sort()).toEqual(['entries', 'index', 'work']);
    const again = await build({volume: folder, config});
    expect(again.delivered.map(({unchanged}) => unchanged)).toEqual([true, true]);
    expect(await leftovers(folder)).toEqual([]);

    // The folder is the user's: only the store goes.
    await destroyVolume({volume: folder});
    expect((await status({volume: folder})).entries).toHaveLength(1);
  });

  it.runIf(canBeOthers)('belongs to its owner, with everything in it', async () => {
    await chown(folder, userId, userId);
    const config = await smallConfig();
    const {code, stderr} = await runCli(['build', '--volume', folder, '--config', config], await asUser());
    expect(code, stderr).toBe(0);

    const entries = await readdir(folder, {recursive: true});
    const owners = await Promise.all(
      entries
        .filter((path) => path !== 'configs.json')
        .map(async (path) => [path, (await stat(join(folder, path))).uid]),
    );
    expect(owners.filter(([, uid]) => uid !== userId)).toEqual([]);
    expect(owners.length).toBeGreaterThan(7);
    // A second run by the owner works on what the first one left.
    expect((await runCli(['build', '--volume', folder, '--config', config], await asUser())).code).toBe(0);
  });

  it.runIf(canBeOthers)('that cannot be written is refused before anything is built', async () => {
    await chmod(folder, 0o755);
    const {code, stderr} = await runCli(['build', 'blank_image', '--volume', folder], await asUser());
    expect(code).toBe(2);
    expect(stderr).toContain(`cannot write to ${folder}`);
    expect(await readdir(folder)).toEqual([]);
  });
});

describe('a target', () => {
  it('gets a sparse file as one, and is left alone when it has it already', async () => {
    await using rig = new Rig(volume);
    const entry = await rig.make(
      shellStep(
        'a',
        'truncate -s 64M out; printf data | dd of=out bs=1 seek=33000000 conv=notrunc status=none',
      ),
    );
    const target = join(folder, 'target');
    await mkdir(target);
    await using session = await openSession({volume});
    session.useBaseImage((await testBaseImage()).reference);
    const copy = () =>
      deliver(
        new ArtifactStore(session),
        entry,
        entry.files,
        target,
        () => undefined,
        new AbortController().signal,
      );

    const [first] = await copy();
    const path = join(target, 'out');
    const found = await stat(path);
    expect(first).toMatchObject({path, unchanged: false, sizeBytes: 64 * mebibyte});
    expect(found.size).toBe(64 * mebibyte);
    expect(found.blocks * 512).toBeLessThan(mebibyte);
    expect((await readFile(path)).subarray(33_000_000, 33_000_004).toString()).toBe('data');

    const [second] = await copy();
    expect(second).toMatchObject({unchanged: true});
    expect((await stat(path)).ino).toBe(found.ino);

    // Same size, other content: replaced.
    const handle = await open(path, 'r+');
    await handle.write('X', 1000);
    await handle.close();
    const [third] = await copy();
    expect(third).toMatchObject({unchanged: false});
    expect((await readFile(path))[1000]).toBe(0);
    expect(await readdir(target)).toEqual(['out']);
  });

  it.runIf(canMount)(
    'that is full says so, keeps nothing half, and gets the file once there is room',
    async () => {
      await using rig = new Rig(volume);
      const entry = await rig.make(shellStep('a', 'head -c 2M /dev/urandom >out'));
      const target = join(folder, 'target');
      await mkdir(target);
      await command('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', target]);
      try {
        await using session = await openSession({volume});
        session.useBaseImage((await testBaseImage()).reference);
        const store = new ArtifactStore(session);
        const copy = () =>
          deliver(store, entry, entry.files, target, () => undefined, new AbortController().signal);

        await expect(copy()).rejects.toMatchObject({
          code: 'DELIVERY_FAILED',
          message: `cannot write to ${join(target, 'out')}: no space is left on the device`,
        });
        expect(await readdir(target)).toEqual([]);

        await command('mount', ['-o', 'remount,size=4m', target]);
        expect(await copy()).toMatchObject([{name: 'out', unchanged: false}]);
      } finally {
        await command('umount', [target]);
      }
    },
  );

  it.runIf(canBeOthers)('gets files that belong to who called', async () => {
    await chown(folder, userId, userId);
    await smallConfig();
    const {code, stdout, stderr} = await runCli(
      ['build', '--target', folder, '--volume', volume],
      await asUser(),
    );

    expect(code, stderr).toBe(0);
    expect(stdout.trim().split('\n')).toEqual(files.map((name) => join(folder, name)));
    for (const name of files) expect((await stat(join(folder, name))).uid).toBe(userId);
  });

  it.each([
    ['is a file', 'file', 'it is a file, not a folder'],
    ['lies below a file', 'file/below', 'a part of the path is a file, not a folder'],
  ])('that %s is refused before anything is built', async (_what, path, message) => {
    const target = join(folder, path);
    await writeFile(join(folder, 'file'), '');
    const argv = ['build', 'blank_image', '--target', target, '--volume', volume];

    const withConfig = await runCli([...argv, '--config', await smallConfig()]);
    expect(withConfig).toMatchObject({code: 2, stdout: ''});
    expect(withConfig.stderr).toContain(`cannot write to ${target}: ${message}`);
    // Without --config the first thing that is looked for in the target is its configs.json.
    const without = await runCli(argv);
    expect(without).toMatchObject({code: 2, stdout: ''});
    expect(without.stderr).toContain(target);
    expect(await status({volume})).toMatchObject({exists: false});
  });

  it.runIf(canBeOthers)('that cannot be written is refused before anything is built', async () => {
    await chmod(folder, 0o755);
    const {code, stderr} = await runCli(
      ['build', 'blank_image', '--target', folder, '--volume', volume],
      await asUser(),
    );
    expect(code).toBe(2);
    expect(stderr).toContain(`cannot write to ${folder}: permission denied`);
    expect(await status({volume})).toMatchObject({exists: false});
  });

  it('loses partial copies of processes that are gone', async () => {
    const config = await smallConfig(join(folder, 'my.json'));
    const target = join(folder, 'target');
    await mkdir(target);
    // No process has this id: it is above the kernel's largest.
    const stale = `.hypriotkit-partial-99999999-${randomBytes(2).toString('hex')}`;
    await writeFile(join(target, stale), 'half');
    await build({volume, target, config});
    expect((await readdir(target)).sort()).toEqual(['build.json', ...files].sort());
  });
});
