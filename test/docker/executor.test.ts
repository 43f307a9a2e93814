import {appendFile, cp, mkdtemp, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {afterAll, afterEach, beforeAll, beforeEach, describe, expect, it} from 'vitest';
import type {Step} from '../../api/components/step.ts';
import {containersOf, engine, removeTestThings, runningStep, testBaseImage, until} from './engine.ts';
import {entryOf, fixtures, gate, mebibyte, progressOf, Rig, shellStep, summaryOf, testEpoch} from './rig.ts';

let rig: Rig;
beforeAll(testBaseImage);
beforeEach(() => {
  rig = new Rig();
});
afterEach(async () => {
  await rig[Symbol.asyncDispose]();
});
afterAll(removeTestThings);

const setting = (value: string): Step['settings'] => [{field: 'test.word', variable: 'WORD', value}];

describe('the store', () => {
  it('keeps what a step made, finds it again, and starts nothing then', async () => {
    const step = shellStep('a', 'echo content >out; echo scrap >other');

    const first = await rig.run([step]);
    const second = await rig.run([step]);

    expect(summaryOf(first)).toEqual({a: 'built'});
    expect(summaryOf(second)).toEqual({a: 'hit'});
    expect(progressOf(second.events, 'a')).toEqual([]);
    const entry = entryOf(second, 'a');
    expect(entry.files).toEqual([
      {
        name: 'out',
        sizeBytes: 8,
        sha256: '434728a410a78f56fc1b5899c3593436e61ab0c731e9072d95e96db290205e53',
      },
    ]);
    expect(await rig.read(entry)).toBe('content\n');
    expect(await rig.leftovers()).toEqual([]);
  });

  it('publishes one file that fits a pattern under its own name', async () => {
    const entry = await rig.make(
      shellStep('a', 'echo 1 >6.12.config', {outputs: [{name: '*.config', delivered: true}]}),
    );
    expect(entry.files.map(({name}) => name)).toEqual(['6.12.config']);
  });
});

describe('a container', () => {
  it('gets what it needs at /inputs/<step>, and cannot change it', async () => {
    const steps = [
      shellStep('a', 'echo from a >out'),
      shellStep('b.part', 'echo from b >out'),
      shellStep(
        'c',
        `cat /inputs/a/out /inputs/b.part/out >out
         ls /inputs >list
         for path in /inputs/a/out /inputs/a/new; do
           if echo changed >"$path"; then echo writable; fi
         done >tried 2>&1`,
        {
          inputs: ['a', 'b.part'],
          outputs: ['out', 'list', 'tried'].map((name) => ({name, delivered: true})),
        },
      ),
    ];

    const run = await rig.run(steps);
    const entry = entryOf(run, 'c');

    expect(await rig.read(entry, 'out')).toBe('from a\nfrom b\n');
    expect(await rig.read(entry, 'list')).toBe('a\nb.part\n');
    const tried = await rig.read(entry, 'tried');
    expect(tried.match(/Read-only file system/g)).toHaveLength(2);
    expect(tried).not.toContain('writable');
    expect(await rig.read(entryOf(run, 'a'))).toBe('from a\n');
  });

  it('sees nothing but its own work folder and its inputs', async () => {
    const step = shellStep(
      'b',
      `ls -A /workspace >out
       pwd >>out
       if [ -e /var/run/docker.sock ] || [ -e /run/docker.sock ]; then echo docker socket; fi >>out
       find / -xdev -name .hypriotkit >>out
       awk '$2 !~ "^/(proc|sys|dev)(/|$)" && $2 !~ "^/etc/(hosts|hostname|resolv.conf)$" {print $2}' /proc/mounts |
         sort >>out
       ls /sys/class/net >>out
       grep -E '^(NoNewPrivs|Seccomp):' /proc/self/status >>out`,
      {inputs: ['a']},
    );
    const run = await rig.run([shellStep('a', 'echo 1 >out'), shellStep('other', 'echo 2 >out'), step]);

    expect((await rig.read(entryOf(run, 'b'))).split('\n')).toEqual([
      'out',
      '/workspace',
      '/',
      '/inputs/a',
      '/workspace',
      'lo',
      'NoNewPrivs:\t1',
      'Seccomp:\t2',
      '',
    ]);
  });

  it('has no more rights than any other, limits, and only mounts of volumes', async () => {
    const steps = [
      shellStep('a', 'echo 1 >out'),
      shellStep('b', `${gate} echo 2 >out`, {inputs: ['a'], memoryBytes: 48 * mebibyte}),
    ];
    const run = rig.start(steps);
    const {id} = await runningStep(rig.volume, 'b');
    const docker = await engine();
    const {HostConfig: host, Mounts: mounts, Config: config} = await docker.getContainer(id).inspect();
    await rig.release('b');
    await run.finished;

    expect(host).toMatchObject({
      Privileged: false,
      NetworkMode: 'none',
      Memory: 48 * mebibyte,
      MemorySwap: 48 * mebibyte,
      PidsLimit: 4096,
      SecurityOpt: ['no-new-privileges'],
      PidMode: '',
      IpcMode: 'private',
    });
    expect(host.CapAdd ?? []).toEqual([]);
    expect(host.Devices ?? []).toEqual([]);
    expect(host.Binds ?? []).toEqual([]);
    expect(host.VolumesFrom ?? []).toEqual([]);
    expect(mounts.map(({Type, Destination, RW}) => [Type, Destination, RW]).sort()).toEqual([
      ['volume', '/inputs/a', false],
      ['volume', '/workspace', true],
    ]);
    expect(config.OpenStdin).toBe(false);
  });

  it('is told the settings, the date and the emulated CPU', async () => {
    const step = shellStep('a', 'env | LC_ALL=C sort >out', {settings: setting('two words = one')});
    const lines = (await rig.read(await rig.make(step))).split('\n');

    expect(lines).toEqual(
      expect.arrayContaining([
        `SOURCE_DATE_EPOCH=${testEpoch}`,
        'QEMU_CPU=cortex-a72',
        'LC_ALL=C.UTF-8',
        'TZ=UTC',
        'DEBIAN_FRONTEND=noninteractive',
        'WORD=two words = one',
      ]),
    );
  });

  it('has a network only when its step downloads', async () => {
    const script = 'ls /sys/class/net >out; tail -n +2 /proc/net/route | wc -l >>out';
    const run = await rig.run([shellStep('without', script), shellStep('with', script, {network: true})]);

    expect(await rig.read(entryOf(run, 'without'))).toBe('lo\n0\n');
    expect(await rig.read(entryOf(run, 'with'))).toMatch(/^eth0\nlo\n[1-9]/);
  });
});

describe('the executor', () => {
  const gated = [shellStep('a', `${gate} echo a >out`), shellStep('b', `${gate} echo b >out`)];

  it('runs independent steps at the same time', async () => {
    const run = rig.start(gated, {jobs: 2});
    // Neither can end before both have been seen.
    await runningStep(rig.volume, 'a');
    await runningStep(rig.volume, 'b');
    await rig.release('a');
    await rig.release('b');
    expect(summaryOf(await run.finished)).toEqual({a: 'built', b: 'built'});
  });

  it('runs one after the other with one job', async () => {
    const run = rig.start(gated, {jobs: 1});
    await runningStep(rig.volume, 'a');
    expect(run.events.filter((event) => event.type === 'step-started').map(({step}) => step)).toEqual(['a']);
    await rig.release('a');
    await runningStep(rig.volume, 'b');
    expect((await containersOf(rig.volume)).filter(({role}) => role === 'step')).toHaveLength(1);
    await rig.release('b');
    expect(summaryOf(await run.finished)).toEqual({a: 'built', b: 'built'});
  });

  it('runs only what depends on a changed setting', async () => {
    const steps = (word: string) => [
      shellStep('a', 'echo "$WORD" >out', {settings: setting(word)}),
      shellStep('b', 'cat /inputs/a/out >out', {inputs: ['a']}),
      shellStep('other', 'echo other >out'),
    ];
    await rig.run(steps('one'));
    const run = await rig.run(steps('two'));

    expect(summaryOf(run)).toEqual({a: 'built', b: 'built', other: 'hit'});
    const started = run.events.find((event) => event.type === 'step-started' && event.step === 'a');
    expect(started).toMatchObject({reasons: ['test.word "one" → "two"']});
    expect(await rig.read(entryOf(run, 'b'))).toBe('two\n');
    expect(summaryOf(await rig.run(steps('one')))).toEqual({a: 'hit', b: 'hit', other: 'hit'});
  });

  it('does not run what depends on a step that made the same again', async () => {
    const steps = (word: string) => [
      shellStep('a', 'echo always the same >out', {settings: setting(word)}),
      shellStep('b', 'cat /inputs/a/out >out', {inputs: ['a']}),
    ];
    await rig.run(steps('one'));
    expect(summaryOf(await rig.run(steps('two')))).toEqual({a: 'built', b: 'hit'});
  });

  it('keeps a secret setting out of the store and tells a change all the same', async () => {
    const steps = (value: string) => [
      shellStep('a', 'echo "$WORD" | sha256sum >out', {
        settings: [{field: 'test.word', variable: 'WORD', value, secret: true}],
      }),
    ];
    const before = entryOf(await rig.run(steps('open sesame')), 'a');
    const run = await rig.run(steps('abracadabra'));

    expect(summaryOf(run)).toEqual({a: 'built'});
    expect(JSON.stringify([before, run.events])).not.toMatch(/sesame|abracadabra/);
  });

  it('runs a step again when its build image has changed', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'hypriotkit-test-images-'));
    try {
      const [before, after] = [join(folder, 'before'), join(folder, 'after')];
      await cp(fixtures, before, {recursive: true});
      await cp(fixtures, after, {recursive: true});
      await appendFile(join(after, 'hypriotkit_test', 'word'), 'new\n');
      const step = shellStep('a', 'ls /builder >out');

      const first = await rig.run([step], {buildImages: before});
      const second = await rig.run([step], {buildImages: after});

      expect(summaryOf(first)).toEqual({a: 'built'});
      expect(summaryOf(second)).toEqual({a: 'built'});
      expect(await rig.read(entryOf(second, 'a'))).toBe('Dockerfile\nword\n');
      const started = second.events.find((event) => event.type === 'step-started');
      expect(started?.reasons).toEqual([expect.stringMatching(/^build image [0-9a-f]{12} → [0-9a-f]{12}$/)]);
      // The same content elsewhere is the same build image.
      expect(summaryOf(await rig.run([step]))).toEqual({a: 'hit'});
    } finally {
      await rm(folder, {recursive: true});
    }
  });

  it('stops and removes the containers of an aborted run and keeps what was finished', async () => {
    const abort = new AbortController();
    const steps = [shellStep('a', 'echo a >out'), shellStep('b', `${gate} echo b >out`, {inputs: ['a']})];
    const run = rig.start(steps, {signal: abort.signal});
    await runningStep(rig.volume, 'b');
    abort.abort();

    expect(summaryOf(await run.finished)).toEqual({a: 'built', b: 'interrupted'});
    expect(await rig.leftovers()).toEqual([]);
    const again = rig.start(steps);
    await until('the next run reaches b', async () => (await runningStep(rig.volume, 'b')).id);
    await rig.release('b');
    expect(summaryOf(await again.finished)).toEqual({a: 'hit', b: 'built'});
  });
});
