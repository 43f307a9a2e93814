import {spawn} from 'node:child_process';
import {mkdtemp, readFile, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {packageRoot} from '../configs/package-root.ts';
import {destroyVolume} from '../api/index.ts';

/** What differs between the two builds, and must not be seen in what they make. */
interface Circumstances {
  readonly name: string;
  readonly umask: string;
  readonly timeZone: string;
  readonly jobs: string;
}

const circumstances: readonly Circumstances[] = [
  {name: 'a', umask: '022', timeZone: 'UTC', jobs: '2'},
  {name: 'b', umask: '077', timeZone: 'Pacific/Kiritimati', jobs: '1'},
];

/**
 * Builds everything twice, in two empty volumes, under different circumstances, and compares the digest of every file.
 * Exits with 1 and names the files when one differs.
 */
async function main(): Promise<void> {
  const results = [];
  for (const one of circumstances) results.push(await buildUnder(one));
  const [first = new Map<string, string>(), second = new Map<string, string>()] = results;
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

async function buildUnder({name, umask, timeZone, jobs}: Circumstances): Promise<Map<string, string>> {
  const volume = `hypriotkit-prove-${process.pid}-${name}`;
  const folder = await mkdtemp(join(tmpdir(), `hypriotkit-prove-${name}-`));
  try {
    process.stderr.write(`building in ${volume}: umask ${umask}, time zone ${timeZone}, ${jobs} jobs\n`);
    const command = `umask ${umask}; exec "$0" build --target out --volume ${volume} --package-volume ${volume}-packages --jobs ${jobs}`;
    const child = spawn('sh', ['-c', command, join(packageRoot(), 'hypriotkit')], {
      cwd: folder,
      env: {...process.env, TZ: timeZone},
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    const status = await new Promise<number>((resolve) => child.once('close', (code) => resolve(code ?? -1)));
    if (status !== 0) throw new Error(`the build ended with exit status ${status}`);
    const {steps} = JSON.parse(await readFile(join(folder, 'out/build.json'), 'utf8')) as {
      steps: {step: string; artifacts: {name: string; sha256: string}[]}[];
    };
    return new Map(
      steps.flatMap(({step, artifacts}) => artifacts.map((file) => [`${step}/${file.name}`, file.sha256])),
    );
  } finally {
    await rm(folder, {recursive: true, force: true});
    for (const name of [volume, `${volume}-packages`])
      await destroyVolume({volume: name}).catch(() => undefined);
  }
}

await main();
