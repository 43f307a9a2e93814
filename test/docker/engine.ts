import type Dockerode from 'dockerode';
import {randomBytes} from 'node:crypto';
import {PassThrough} from 'node:stream';
import {defaultConfigs} from '../../configs/default-configs.ts';
import {connectDocker} from '../../api/docker/client.ts';
import {label} from '../../api/docker/labels.ts';
import {ensureBaseImage, type BaseImage} from '../../api/engine/base-image.ts';
import {openSession} from '../../api/engine/open-session.ts';
import {EngineSession} from '../../api/engine/session.ts';
import {parseVolumeReference} from '../../api/engine/volume-reference.ts';

/** On everything that a test itself makes in the engine; the value says which process. */
export const testLabel = 'org.hypriotkit.test';

/** Names of the build images in test/fixtures/build-images. */
const fixtureImages = ['hypriotkit_test', 'hypriotkit_test_broken'];

export const testLabels = {[testLabel]: String(process.pid)};

let connection: Promise<Dockerode> | undefined;

/** The engine, without anything of hypriotkit in between. */
export async function engine(): Promise<Dockerode> {
  connection ??= connectDocker().then(({docker}) => docker);
  return connection;
}

let base: Promise<BaseImage> | undefined;

/** The base image, made when the engine does not have it. */
export function testBaseImage(): Promise<BaseImage> {
  base ??= makeBaseImage();
  return base;
}

async function makeBaseImage(): Promise<BaseImage> {
  await using session = await openSession({volume: newVolumeName()});
  return await ensureBaseImage(
    session,
    {configs: defaultConfigs()},
    () => undefined,
    () => undefined,
  );
}

/** A session with an engine of an architecture that none has: every image that names it is a test's own. */
export async function openForeignSession(): Promise<EngineSession> {
  const {docker, engine: info} = await connectDocker();
  const volume = parseVolumeReference(newVolumeName());
  return new EngineSession({docker, engine: {...info, architecture: 'hypriotkit-test'}}, volume);
}

export function newVolumeName(): string {
  return `hypriotkit-test-${randomBytes(5).toString('hex')}`;
}

/** Runs a shell script as root in a container that has the volume at /volume; returns what it prints to stdout. */
export async function inVolume(volume: string, script: string): Promise<string> {
  const docker = await engine();
  const isFolder = volume.startsWith('/');
  const container = await docker.createContainer({
    Image: (await testBaseImage()).reference,
    Entrypoint: ['sh', '-euc', script],
    Cmd: [],
    Labels: testLabels,
    WorkingDir: '/volume',
    HostConfig: {
      NetworkMode: 'none',
      ...(isFolder
        ? {Binds: [`${volume}:/volume`]}
        : {Mounts: [{Type: 'volume', Source: volume, Target: '/volume'}]}),
    },
  });
  try {
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    const stream = await container.attach({stream: true, stdout: true, stderr: true});
    docker.modem.demuxStream(stream, collect(stdout), collect(stderr));
    const ended = new Promise((resolve) => stream.once('end', resolve).once('close', resolve));
    await container.start();
    const {StatusCode: status} = (await container.wait()) as {StatusCode: number};
    await ended;
    if (status !== 0) throw new Error(`exit status ${status}: ${Buffer.concat(stderr).toString()}`);
    return Buffer.concat(stdout).toString();
  } finally {
    await container.remove({force: true});
  }
}

function collect(chunks: Buffer[]): PassThrough {
  return new PassThrough().on('data', (chunk: Buffer) => chunks.push(chunk));
}

/** A container of hypriotkit that works on a volume. */
export interface Found {
  readonly id: string;
  readonly name: string;
  readonly role: string;
  readonly run: string;
  readonly step: string;
  readonly running: boolean;
}

/** Containers of hypriotkit that belong to a volume, whichever run made them. */
export async function containersOf(volume: string): Promise<readonly Found[]> {
  const docker = await engine();
  const {id} = parseVolumeReference(volume);
  const found = await docker.listContainers({all: true, filters: {label: [`${label.volume}=${id}`]}});
  return found.map((container) => ({
    id: container.Id,
    name: container.Names[0] ?? '',
    role: container.Labels[label.role] ?? '',
    run: container.Labels[label.run] ?? '',
    step: container.Labels[label.step] ?? '',
    running: container.State === 'running',
  }));
}

/** Views, the small volumes that show one folder of a volume. */
export async function viewsOf(volume: string): Promise<readonly string[]> {
  const docker = await engine();
  const {id} = parseVolumeReference(volume);
  const {Volumes: views} = (await docker.listVolumes({filters: {label: [`${label.volume}=${id}`]}})) as {
    Volumes: readonly {Name: string}[] | null;
  };
  return (views ?? []).map((view) => view.Name);
}

/** What runs have left of themselves: nothing, when all is well. Finished entries are no leftovers. */
export async function leftovers(volume: string): Promise<readonly string[]> {
  const containers = (await containersOf(volume)).map(({role, step, name}) =>
    `container ${role} ${step} ${name}`.trim(),
  );
  const views = (await viewsOf(volume)).map((name) => `view ${name}`);
  const work = await inVolume(
    volume,
    `cd .hypriotkit 2>/dev/null || exit 0
     for path in work/* token-*; do [ ! -e "$path" ] || echo "folder $path"; done
     for entry in entries/*; do
       [ ! -d "$entry" ] || [ -e "index/\${entry#entries/}.json" ] || echo "entry without index $entry"
     done`,
  );
  return [...containers, ...views, ...work.split('\n').filter(Boolean)];
}

/** Waits until `condition` gives a value; fails after `seconds`, saying for what it waited. */
export async function until<T>(
  what: string,
  condition: () => Promise<T | undefined> | T | undefined,
  seconds = 60,
): Promise<T> {
  const deadline = Date.now() + seconds * 1000;
  for (;;) {
    const value = await condition();
    if (value !== undefined) return value;
    if (Date.now() > deadline) throw new Error(`${what}: not within ${seconds} s`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** The running container of a step. */
export function runningStep(volume: string, step: string): Promise<Found> {
  return until(`the container of ${step}`, async () =>
    (await containersOf(volume)).find(
      (found) => found.role === 'step' && found.step === step && found.running,
    ),
  );
}

/** Runs a command in a running container, to its end. */
export async function execIn(id: string, ...command: string[]): Promise<void> {
  const docker = await engine();
  const exec = await docker.getContainer(id).exec({Cmd: command, AttachStdout: true, AttachStderr: true});
  const stream = await exec.start({});
  stream.resume();
  await new Promise((resolve) => stream.once('end', resolve).once('close', resolve));
}

/** Removes a volume with everything of hypriotkit that belongs to it; nothing is said if it does not exist. */
export async function removeVolume(volume: string): Promise<void> {
  const docker = await engine();
  for (const {id} of await containersOf(volume)) {
    await docker.getContainer(id).remove({force: true}).catch(ignoreMissing);
  }
  for (const view of await viewsOf(volume)) await docker.getVolume(view).remove().catch(ignoreMissing);
  if (!volume.startsWith('/')) await docker.getVolume(volume).remove().catch(ignoreMissing);
}

/** Removes the build images that the fixtures have become, and containers that a failed test has left. */
export async function removeTestThings(): Promise<void> {
  const docker = await engine();
  const filter = `${testLabel}=${process.pid}`;
  for (const {Id: id} of await docker.listContainers({all: true, filters: {label: [filter]}})) {
    await docker.getContainer(id).remove({force: true}).catch(ignoreMissing);
  }
  // The names that test configurations give to build images, and the build images of the fixtures.
  const named = await docker.listImages({filters: {reference: ['hypriotkit-test/*']}});
  const made = await Promise.all(
    fixtureImages.map((name) => docker.listImages({filters: {label: [`${label.image}=${name}`]}})),
  );
  const tags = [...named, ...made.flat()].flatMap((image) => image.RepoTags ?? []);
  const ours = ['hypriotkit-test/', ...fixtureImages.map((name) => `hypriotkit/${name}:`)];
  for (const tag of new Set(tags.filter((name) => ours.some((start) => name.startsWith(start))))) {
    await docker.getImage(tag).remove().catch(ignoreMissing);
  }
}

function ignoreMissing(error: unknown): void {
  // 404: gone already; 409: the engine is removing it at this moment.
  const {statusCode} = error as {statusCode?: number};
  if (statusCode !== 404 && statusCode !== 409) throw error;
}
