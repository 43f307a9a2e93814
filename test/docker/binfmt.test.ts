import {existsSync} from 'node:fs';
import {writeFile} from 'node:fs/promises';
import {afterAll, afterEach, beforeAll, beforeEach, describe, expect, it} from 'vitest';
import {canRunArchitecture} from '../../api/engine/binfmt.ts';
import {openSession} from '../../api/engine/open-session.ts';
import {makeProbeProgram} from '../../api/engine/probe-program.ts';
import {containersOf, engine, removeTestThings, runningStep, testBaseImage} from './engine.ts';
import {failureOf, gate, progressOf, Rig, shellStep, summaryOf} from './rig.ts';

/** Architectures that engines seldom run; the tests take those that this one does not. */
const uncommon = {armhf: 'qemu-arm', mips: 'qemu-mips'} as const;

let rig: Rig;
const missing = new Set<keyof typeof uncommon>();

beforeAll(async () => {
  const base = await testBaseImage();
  await using session = await openSession({});
  for (const name of Object.keys(uncommon) as (keyof typeof uncommon)[]) {
    if (!(await canRunArchitecture(session, name, base.reference))) missing.add(name);
  }
});
beforeEach(() => {
  rig = new Rig();
});
afterEach(async () => {
  await rig[Symbol.asyncDispose]();
});
afterAll(async () => {
  // Where this machine mounts binfmt_misc itself, a registration outlives the container that made it.
  for (const name of missing) {
    const file = `/proc/sys/fs/binfmt_misc/${uncommon[name]}`;
    if (existsSync(file)) await writeFile(file, '-1');
  }
  await removeTestThings();
});

/** A step that runs a program of another architecture. */
function foreignStep(architecture: string, script = ''): ReturnType<typeof shellStep> {
  const program = makeProbeProgram(architecture)?.toString('base64') ?? '';
  return shellStep(
    'foreign',
    `${script} echo ${program} | base64 -d >/tmp/program; chmod +x /tmp/program; /tmp/program; echo ran >out`,
    {executes: architecture},
  );
}

describe('a step that runs programs of another architecture', () => {
  it('fails where the engine cannot run them and registering is not allowed', async (context) => {
    if (!missing.has('mips')) return context.skip('this engine runs mips programs');

    const run = await rig.run([foreignStep('mips')], {mayRegisterBinfmt: false});

    const failure = failureOf(run, 'foreign');
    expect(failure.message).toContain('cannot run mips programs, and registering an emulator is not allowed');
    expect(failure.hint).toContain('qemu-user-static');
    expect(await rig.leftovers()).toEqual([]);
    expect(await containersOf(rig.volume)).toEqual([]);
  });

  it('fails without a container of its own when nobody knows the architecture', async () => {
    const failure = await rig.fail([foreignStep('m68k')], 'foreign');
    expect(failure.message).toContain('cannot run m68k programs');
    expect(await rig.leftovers()).toEqual([]);
  });

  it('works after the emulator has been registered by one short container', async (context) => {
    if (!missing.has('armhf')) return context.skip('this engine runs armhf programs already');

    const run = rig.start([foreignStep('armhf', gate), {...foreignStep('armhf'), name: 'second'}]);
    const {id} = await runningStep(rig.volume, 'foreign');
    const docker = await engine();
    const containers = await containersOf(rig.volume);
    const registrars = containers.filter(({role}) => role === 'binfmt');
    // Two steps need it, and it is registered once.
    expect(registrars).toHaveLength(1);
    const registrar = await docker.getContainer(registrars[0]?.id ?? '').inspect();
    expect(registrar.HostConfig.Privileged).toBe(false);
    expect(registrar.HostConfig.CapAdd).toEqual(['SYS_ADMIN']);
    // The step itself is as plain as any other.
    const plain = await docker.getContainer(id).inspect();
    expect(plain.HostConfig.CapAdd ?? []).toEqual([]);
    expect(plain.HostConfig.SecurityOpt).toEqual(['no-new-privileges']);
    await rig.release('foreign');
    const finished = await run.finished;

    expect(summaryOf(finished)).toEqual({foreign: 'built', second: 'built'});
    expect([...progressOf(finished.events, 'foreign'), ...progressOf(finished.events, 'second')]).toContain(
      "registering qemu for armhf with the engine's kernel",
    );
    expect(await rig.leftovers()).toEqual([]);
  });
});
