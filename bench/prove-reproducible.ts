import {spawn} from 'node:child_process';
import {mkdir, mkdtemp, readFile, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {connectDocker} from '../api/docker/client.ts';
import {DockerContainers} from '../api/docker/containers.ts';
import {DockerImages} from '../api/docker/images.ts';
import {label} from '../api/docker/labels.ts';
import {destroyVolume, ensureImage} from '../api/index.ts';
import {packageRoot} from '../configs/package-root.ts';
import {makeLaterImage} from './later-image.ts';
import {untilInterrupted} from './until-interrupted.ts';

/** What differs between the two builds, and must not be seen in what they make. */
interface Circumstances {
  readonly name: string;
  /** Where it is started, below a temporary folder; the target lies in it. */
  readonly workingFolder: string;
  readonly umask: string;
  readonly timeZone: string;
  readonly jobs: string;
  /** Base image of its containers. */
  readonly image: string;
}

const dayMs = 24 * 60 * 60_000;

/**
 * Builds everything twice, each in empty volumes, under different circumstances, and compares the digest of every file.
 * The host names of the containers differ by themselves: the engine makes one up for each. Exits with 1 and names the
 * files when one differs.
 */
async function main(signal: AbortSignal): Promise<void> {
  const {docker} = await connectDocker();
  const images = new DockerImages(docker);
  const image = await ensureImage({signal});
  const later = `hypriotkit-prove-${process.pid}:later`;
  try {
    await makeLaterImage(images, image, later, signal);
    const ahead = (await clockOf(later)) - (await clockOf(image));
    if (Math.abs(ahead - dayMs) > 60 * 60_000) {
      throw new Error(`in ${later} it is ${ahead / dayMs} days later, and not one`);
    }
    const first = await buildUnder(
      {name: 'a', workingFolder: 'a', umask: '022', timeZone: 'UTC', jobs: '2', image},
      signal,
    );
    const second = await buildUnder(
      {
        name: 'b',
        workingFolder: 'another place, with spaces/and deeper',
        umask: '077',
        timeZone: 'Pacific/Kiritimati',
        jobs: '1',
        image: later,
      },
      signal,
    );
    compare(first, second);
  } finally {
    await removeLaterImages(images, later);
  }
}

function compare(first: ReadonlyMap<string, string>, second: ReadonlyMap<string, string>): void {
  const names = [...new Set([...first.keys(), ...second.keys()])].sort();
  let differences = 0;
  for (const name of names) {
    const same = first.get(name) === second.get(name);
    if (!same) differences++;
    process.stdout.write(`${same ? 'same     ' : 'DIFFERENT'} ${first.get(name) ?? '(absent)'} ${name}\n`);
  }
  process.stdout.write(`${names.length - differences} of ${names.length} files are identical\n`);
  if (differences > 0) process.exitCode = 1;
}

/** What a program in a container of the image takes for now, in milliseconds since 1970. */
async function clockOf(image: string): Promise<number> {
  const {docker} = await connectDocker();
  const container = await new DockerContainers(docker).create({
    image,
    command: ['date', '+%s'],
    network: 'none',
    labels: {},
  });
  if (container === undefined) throw new Error('a container without a name cannot be in conflict');
  try {
    const lines: string[] = [];
    await container.run((_stream, line) => lines.push(line));
    return Number(lines.at(-1)) * 1000;
  } finally {
    await container.remove();
  }
}

async function buildUnder(
  {name, workingFolder, umask, timeZone, jobs, image}: Circumstances,
  signal: AbortSignal,
): Promise<Map<string, string>> {
  const volume = `hypriotkit-prove-${process.pid}-${name}`;
  const folder = await mkdtemp(join(tmpdir(), `hypriotkit-prove-${name}-`));
  try {
    const cwd = join(folder, workingFolder);
    await mkdir(cwd, {recursive: true});
    process.stderr.write(
      `building in ${volume}: folder ${cwd}, umask ${umask}, time zone ${timeZone}, ${jobs} jobs, image ${image}\n`,
    );
    const command = `umask ${umask}; exec "$0" build --target out --volume ${volume} --package-volume ${volume}-packages --jobs ${jobs} --image ${image}`;
    const child = spawn('sh', ['-c', command, join(packageRoot(), 'hypriotkit')], {
      cwd,
      env: {...process.env, TZ: timeZone},
      // A group of its own: with Ctrl-C from the terminal and our signal it would get two, and end without cleaning up.
      detached: true,
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    const stop = () => child.kill('SIGTERM');
    signal.addEventListener('abort', stop, {once: true});
    const status = await new Promise<number>((resolve) => child.once('close', (code) => resolve(code ?? -1)));
    signal.removeEventListener('abort', stop);
    if (status !== 0) throw new Error(`the build ended with exit status ${status}`);
    signal.throwIfAborted();
    const {steps} = JSON.parse(await readFile(join(cwd, 'out/build.json'), 'utf8')) as {
      steps: {step: string; artifacts: {name: string; sha256: string}[]}[];
    };
    return new Map(
      steps.flatMap(({step, artifacts}) => artifacts.map((file) => [`${step}/${file.name}`, file.sha256])),
    );
  } finally {
    await rm(folder, {recursive: true, force: true});
    for (const name of [volume, `${volume}-packages`])
      await destroyVolume({volume: name}).catch((error: unknown) => {
        process.stderr.write(`${name} is left: ${String(error)}\n`);
      });
  }
}

/** The image, and the build images that were made from it. */
async function removeLaterImages(images: DockerImages, later: string): Promise<void> {
  const made = await images.list(`${label.identity}=${later}`);
  for (const {tags} of made) for (const tag of tags) if (tag !== later) await images.remove(tag);
  await images.remove(later);
}

await untilInterrupted(main);
