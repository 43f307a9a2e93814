import {mkdtemp, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {afterAll, afterEach, beforeAll, beforeEach, describe, expect, it} from 'vitest';
import {ChildRun, runCli, startCli} from './cli.ts';
import {
  containersOf,
  engine,
  inVolume,
  leftovers,
  newVolumeName,
  removeTestThings,
  removeVolume,
  runningStep,
  testBaseImage,
  until,
} from './engine.ts';
import {gate, Rig, shellStep, summaryOf} from './rig.ts';

beforeAll(testBaseImage);
afterAll(removeTestThings);

/** Waits until the engine has noticed that the process is gone: its attendant ends with its stdin. */
function attendantsEnded(volume: string): Promise<true> {
  return until('the attendant ends', async () =>
    (await containersOf(volume)).every(({role, running}) => role !== 'attendant' || !running)
      ? true
      : undefined,
  );
}

describe('a build that is killed (SIGKILL)', () => {
  let rig: Rig;
  beforeEach(() => {
    rig = new Rig();
  });
  afterEach(async () => {
    await rig[Symbol.asyncDispose]();
  });
  const steps = [shellStep('a', 'echo a >out'), shellStep('slow', `${gate} echo slow >out`, {inputs: ['a']})];

  it('while a container runs, leaves nothing for ever, and the next run goes on where it was', async () => {
    const child = new ChildRun('test/docker/rig-child.ts', [rig.volume, JSON.stringify(steps)]);
    const {id, run: killedRun, name} = await runningStep(rig.volume, 'slow');
    child.kill('SIGKILL');
    expect((await child.exited).signal).toBe('SIGKILL');
    await attendantsEnded(rig.volume);
    // The container itself goes on: nobody has told it to stop.
    expect((await containersOf(rig.volume)).find((found) => found.id === id)?.running).toBe(true);

    const next = rig.start(steps);
    const mine = await until('the lock changes hands', async () =>
      (await containersOf(rig.volume)).find(
        (found) => found.name === name && found.id !== id && found.running,
      ),
    );
    expect((await containersOf(rig.volume)).filter(({run}) => run === killedRun)).toEqual([]);
    expect(mine.run).not.toBe(killedRun);
    await rig.release('slow');

    expect(summaryOf(await next.finished)).toEqual({a: 'hit', slow: 'built'});
    expect(await rig.leftovers()).toEqual([]);
  });

  it('leaves no work folder of a step that nobody wants again', async () => {
    const child = new ChildRun('test/docker/rig-child.ts', [rig.volume, JSON.stringify(steps)]);
    await runningStep(rig.volume, 'slow');
    child.kill('SIGKILL');
    await child.exited;
    await attendantsEnded(rig.volume);
    expect(await inVolume(rig.volume, 'ls .hypriotkit/work')).not.toBe('');

    await rig.make(shellStep('other', 'echo >out'));

    expect(await rig.leftovers()).toEqual([]);
  });
});

describe('the command line', () => {
  const volume = newVolumeName();
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'hypriotkit-test-interrupt-'));
  });
  afterEach(async () => {
    await rm(folder, {recursive: true});
    await removeVolume(volume);
  });

  /** Arguments of a build of blank_image with that size, one event a line. */
  async function build(size: string): Promise<string[]> {
    const configs = {blank_image: {size, boot_size: '64MiB', image: 'hypriotkit-test/tool:latest'}};
    await writeFile(join(folder, 'configs.json'), JSON.stringify(configs));
    return ['build', 'blank_image', '--json', '--volume', volume, '--config', join(folder, 'configs.json')];
  }

  describe('killed (SIGKILL) at any moment', () => {
    it.each([
      ['when the run starts', /^preparing its build image/, 0],
      ['before the container starts', /^preparing its build image/, 150],
      ['when the container starts', /^running/, 0],
      ['while the container works', /^running/, 300],
      ['when the container has ended', /^checking its artifacts/, 0],
      ['while the artifacts are measured', /^checking its artifacts/, 120],
      ['while the artifacts are published', /^checking its artifacts/, 240],
    ])('%s: the next build works and nothing is left', async (_when, message, delayMs) => {
      const argv = await build('320MiB');
      const child = startCli(argv);
      await child.progress(message);
      // The moments within a step that no event marks; whichever of them it is, the same must hold.
      await new Promise((resolve) => setTimeout(resolve, delayMs));
      child.kill('SIGKILL');
      await child.exited;
      await attendantsEnded(volume);

      const {code, stdout} = await runCli(argv);

      expect(code, stdout).toBe(0);
      expect(JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '')).toMatchObject({type: 'result', ok: true});
      expect(await leftovers(volume)).toEqual([]);
    });
  });

  describe('interrupted', () => {
    /** Starts a build that takes much longer than any test, and waits until its container runs. */
    async function startLong(): Promise<{child: ChildRun; id: string}> {
      const child = startCli(await build('512GiB'));
      const {id} = await runningStep(volume, 'blank_image');
      const docker = await engine();
      // However fast the machine is, it does not end by itself now.
      await docker.getContainer(id).pause();
      return {child, id};
    }

    it('by one Ctrl-C, it removes its containers, says so and exits with 130', async () => {
      const {child} = await startLong();
      child.kill('SIGINT');
      const {code, stdout, stderr} = await child.exited;

      expect(code).toBe(130);
      expect(stderr).toContain('interrupted');
      const events = stdout
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as Record<string, unknown>);
      expect(events).toContainEqual(expect.objectContaining({type: 'run-finished', outcome: 'interrupted'}));
      expect(events.at(-1)).toMatchObject({type: 'result', ok: false, error: {code: 'INTERRUPTED'}});
      expect(await leftovers(volume)).toEqual([]);

      const again = await runCli(await build('320MiB'));
      expect(again.code).toBe(0);
    });

    it('by SIGTERM, it does the same', async () => {
      const {child} = await startLong();
      child.kill('SIGTERM');
      expect((await child.exited).code).toBe(130);
      expect(await leftovers(volume)).toEqual([]);
    });

    it('by two, it ends at once, and the next build cleans up', async () => {
      const {child, id} = await startLong();
      // Two signals of a kind may become one on their way; these two arrive one after the other, in the same moment.
      child.kill('SIGINT');
      child.kill('SIGTERM');
      const {code, stdout} = await child.exited;
      expect(code).toBe(130);
      expect(stdout).not.toContain('"type":"result"');
      expect((await containersOf(volume)).map((found) => found.id)).toContain(id);
      await attendantsEnded(volume);

      const again = await runCli(await build('320MiB'));
      expect(again.code).toBe(0);
      expect(await leftovers(volume)).toEqual([]);
    });
  });
});
