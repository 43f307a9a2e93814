import {afterAll, beforeAll, describe, expect, it, vi, type TestContext} from 'vitest';
import {doctor} from '../../api/index.ts';
import type {StepFailure} from '../../api/events/step-failure.ts';
import {ArtifactRepository} from '../../api/registry/artifact-repository.ts';
import {parseRepository} from '../../api/registry/repository-name.ts';
import {ChildRun} from './cli.ts';
import {until} from './engine.ts';
import {PrivateSwarm, type PrivateNode} from './private-swarm.ts';
import {importStubImage} from './stub-image.ts';
import {out, repository, stub, stubStep, SwarmRig, type SwarmRun, type SwarmRunResult} from './swarm-rig.ts';

let swarm: PrivateSwarm;

beforeAll(async () => {
  swarm = await PrivateSwarm.start(2, {tls: true});
  vi.stubEnv('HYPRIOTKIT_CERTS_D', swarm.certificates);
  await importStubImage(swarm.manager.docker, stub);
}, 60_000);

afterAll(async () => {
  vi.unstubAllEnvs();
  await swarm[Symbol.asyncDispose]();
}, 60_000);

/** Its runs end with the test that asks for it, also when that fails. */
function openRig({onTestFinished}: TestContext, deadAfterMs?: number): SwarmRig {
  const rig = new SwarmRig(swarm, deadAfterMs);
  onTestFinished(() => rig.stopRuns());
  return rig;
}

/** What is left in the swarm: nothing, when all is well. */
async function leftovers(): Promise<readonly string[]> {
  const {docker} = swarm.manager;
  const found = [
    ...(await docker.listServices()),
    ...(await docker.listSecrets()),
    ...(await docker.listConfigs()),
  ] as unknown as {Spec: {Name: string}}[];
  return found.map(({Spec: {Name: name}}) => name);
}

/** Volumes without a name of ours: those of workers. */
async function scratchVolumes(node: PrivateNode): Promise<readonly string[]> {
  const {Volumes: volumes} = (await node.docker.listVolumes()) as {Volumes: {Name: string}[] | null};
  return (volumes ?? []).map(({Name: name}) => name).filter((name) => /^[0-9a-f]{64}$/.test(name));
}

function failureOf({outcomes}: SwarmRunResult, step: string): StepFailure | undefined {
  const outcome = outcomes.get(step);
  return outcome?.ok === false ? outcome.failure : undefined;
}

function outcomeOf({outcomes}: SwarmRunResult, step: string): string | undefined {
  const outcome = outcomes.get(step);
  return outcome?.ok === true ? outcome.outcome : outcome?.failure.message;
}

async function setAvailability(node: PrivateNode, availability: 'active' | 'drain'): Promise<void> {
  const {docker} = swarm.manager;
  const nodes = (await docker.listNodes()) as unknown as {
    ID: string;
    Version: {Index: number};
    Spec: object;
    Description: {Hostname: string};
  }[];
  const found = nodes.find(({Description: {Hostname: name}}) => name === node.name);
  if (found === undefined) throw new Error(`${node.name} is no node`);
  await docker
    .getNode(found.ID)
    .update({version: found.Version.Index, ...found.Spec, Availability: availability} as object);
}

/** Starts a step on the second node and waits until it runs there. */
async function startOnSecond(rig: SwarmRig, script: string): Promise<SwarmRun> {
  await setAvailability(swarm.manager, 'drain');
  const run = rig.start(stubStep('blank_image', `echo begun; ${script}`));
  await rig.said(run, 'blank_image', /^begun$/);
  return run;
}

const patience = {timeout: 90_000};

// Beside each other: most of their time they wait for the swarm.
describe.concurrent('a step in a swarm', () => {
  it('hands its artifacts on through the registry', patience, async (context) => {
    const rig = openRig(context);
    const steps = [
      stubStep('blank_image.first', 'echo one >disk.img; truncate -s 40M disk.img; echo two >>disk.img', {
        outputs: [out('*.img')],
      }),
      stubStep('blank_image.other', 'echo other >out'),
      stubStep(
        'blank_image',
        'echo $GREETING; cd /inputs; echo * >/workspace/out; sha256sum blank_image.first/* >>/workspace/out',
        {
          inputs: ['blank_image.first'],
          settings: [{field: 'x.greeting', variable: 'GREETING', value: 'hello', secret: true}],
        },
      ),
    ];
    const result = await rig.run(...steps);
    const first = result.outcomes.get('blank_image.first');
    const digest = first?.ok === true ? first.entry.files[0]?.sha256 : '';
    // Of all steps, it sees its own input alone.
    expect(result.texts.get('blank_image')).toBe(
      `blank_image.first\n${digest}  blank_image.first/disk.img\n`,
    );
    expect(result.events).toContainEqual(expect.objectContaining({type: 'step-output', line: 'hello'}));
    const again = await rig.run(...steps);
    expect(steps.map(({name}) => outcomeOf(again, name))).toEqual(['hit', 'hit', 'hit']);
  });

  it('has no socket, no folder of its node, no privilege and no network', patience, async (context) => {
    const rig = openRig(context);
    const script = `
      cat /proc/self/status | while read -r name value; do case $name in CapEff:|NoNewPrivs:) echo "$name $value";; esac; done >out
      [ ! -e /var/run/docker.sock ]
      perl -MIO::Socket::IP -e 'print IO::Socket::IP->new(PeerHost => "${swarm.registry.host}") ? "network\\n" : "none\\n"' >>out
      while read -r _ _ _ root point _; do case $root in /) ;; *) echo "$point";; esac; done </proc/self/mountinfo >mounts
      cat mounts >>out`;
    const run = rig.start(stubStep('blank_image.bare', `sleep 2; ${script}`));
    await rig.said(run, 'blank_image.bare', /running$/);
    const services = (await swarm.manager.docker.listServices()) as unknown as {
      Spec: {Name: string; TaskTemplate: {ContainerSpec: Record<string, unknown>}};
    }[];
    const service = services.find(({Spec: {Name: name}}) => name.startsWith('hypriotkit-blank-image-bare-'));
    const {Mounts: mounts, CapabilityAdd: added} = service?.Spec.TaskTemplate.ContainerSpec ?? {};
    expect(added).toBeUndefined();
    expect(mounts).toEqual(
      ['/workspace', '/inputs', '/packages'].map((target) => ({Type: 'volume', Target: target})),
    );
    const {texts} = await run.result;
    const lines = (texts.get('blank_image.bare') ?? '').trim().split('\n');
    // The capabilities of any container.
    expect(lines.slice(0, 3)).toEqual(['CapEff: 00000000a80425fb', 'NoNewPrivs: 1', 'none']);
  });

  it('says why it failed', patience, async (context) => {
    const result = await openRig(context).run(
      stubStep('blank_image.exit', 'echo "::error BAD_VALUE that was wrong" >&2; exit 3'),
      stubStep('blank_image.memory', 'perl -e \'my $x = "x" x 300_000_000; print length $x\'; echo >out'),
      stubStep('blank_image.missing', 'echo >wrong', {outputs: [out('right')]}),
      stubStep('blank_image.foreign', 'echo >out', {executes: 'mips'}),
    );
    expect(failureOf(result, 'blank_image.exit')).toMatchObject({
      reason: 'exited-non-zero',
      code: 'BAD_VALUE',
      message: 'that was wrong',
      status: 3,
    });
    expect(failureOf(result, 'blank_image.memory')).toMatchObject({reason: 'out-of-memory'});
    expect(failureOf(result, 'blank_image.missing')).toMatchObject({
      reason: 'output-missing',
      missing: ['right'],
      hint: 'It left wrong.',
    });
    expect(failureOf(result, 'blank_image.foreign')?.message).toMatch(
      /^no node of the swarm can run mips programs \(tried node-\d, node-\d\)$/,
    );
  });

  it('is made once when two runs want it', patience, async (context) => {
    const rig = openRig(context);
    const step = stubStep('blank_image', 'echo twice; sleep 2; echo twice >out');
    const runs = [rig.start(step), rig.start(step)];
    const results = await Promise.all(runs.map(({result}) => result));
    expect(results.map((result) => outcomeOf(result, 'blank_image')).sort()).toEqual(['built', 'hit']);
    expect(results.map(({texts}) => texts.get('blank_image'))).toEqual(['twice\n', 'twice\n']);
  });

  it('uses nothing that a tag wrongly leads to', patience, async (context) => {
    const rig = openRig(context);
    const [good, other] = [
      stubStep('blank_image', 'echo good >out'),
      stubStep('blank_image.other', 'echo bad >out'),
    ];
    const {outcomes} = await rig.run(good, other);
    const [to, from] = [...outcomes.values()].map((outcome) => (outcome.ok ? outcome.entry.fingerprint : ''));
    await using registry = new ArtifactRepository(parseRepository(rig.registry, 'test'));
    const manifest = await registry.readManifest(from ?? '');
    await registry.writeManifest(to ?? '', manifest?.content ?? Buffer.alloc(0));
    const again = await rig.run(good);
    expect(outcomeOf(again, 'blank_image')).toBe('built');
    expect(again.texts.get('blank_image')).toBe('good\n');
  });

  it('stops when it is interrupted', patience, async (context) => {
    const rig = openRig(context);
    const run = rig.start(stubStep('blank_image', 'echo begun; sleep 60; echo >out'));
    await rig.said(run, 'blank_image', /^begun$/);
    run.abort.abort();
    expect(failureOf(await run.result, 'blank_image')?.reason).toBe('interrupted');
  });

  it('can be placed where doctor finds nodes that reach the registry', patience, async () => {
    const options = {host: `unix://${swarm.manager.socket}`, engine: 'swarm'} as const;
    const checks = await doctor({...options, registry: `${swarm.registry.host}/${repository}`});
    expect(checks.slice(-5)).toMatchObject([
      {name: 'Swarm', status: 'ok', detail: expect.stringContaining('2 of 2 nodes') as string},
      {name: 'Engines', status: 'ok'},
      {name: 'arm64 programs', status: 'ok'},
      {name: 'Registry', status: 'ok'},
      {
        name: 'Registry from nodes',
        status: 'ok',
        detail: expect.stringMatching(/node-\d, node-\d$/) as string,
      },
    ]);
  });
});

it('nothing stays in the swarm, and nothing on its nodes', patience, async () => {
  expect(await leftovers()).toEqual([]);
  await until('the workers are gone', async () =>
    (await Promise.all(swarm.nodes.map(scratchVolumes))).flat().length === 0 ? true : undefined,
  );
});

describe('a build in a swarm', () => {
  it('waits for a registry that is away while a step runs', patience, async (context) => {
    const rig = openRig(context);
    const run = rig.start(stubStep('blank_image', 'echo begun; sleep 2; echo registry >out'));
    await rig.said(run, 'blank_image', /^begun$/);
    await swarm.registry.stop();
    await rig.said(run, 'blank_image', /waiting for the registry/);
    await swarm.registry.start();
    expect((await run.result).texts.get('blank_image')).toBe('registry\n');
  });

  it('takes over what a client that died has left, by whatever clock it had', patience, async (context) => {
    const rig = openRig(context, 4000);
    const script = 'echo begun; sleep 3; echo orphan >out';
    const {socket} = swarm.manager;
    const child = new ChildRun('test/docker/swarm-child.ts', [socket, swarm.registry.host, script], {
      env: {HYPRIOTKIT_CERTS_D: swarm.certificates ?? ''},
    });
    await child.event('begun', (event) => event.type === 'step-output' && event.line === 'begun');
    child.kill('SIGKILL');
    await child.exited;
    const result = await rig.run(stubStep('blank_image', script));
    expect(outcomeOf(result, 'blank_image')).toBe('hit');
    expect(await leftovers()).not.toEqual([]);
    await until('the dead run is forgotten', async () => {
      await rig.run(stubStep('blank_image', script));
      return (await leftovers()).length === 0 ? true : undefined;
    });
  });

  it('goes on when its manager has been away', patience, async (context) => {
    const rig = openRig(context);
    const run = await startOnSecond(rig, 'sleep 6; echo manager >out');
    await swarm.manager.kill();
    await rig.said(run, 'blank_image', /manager of the swarm cannot be reached/);
    await swarm.manager.start();
    const {texts} = await run.result;
    expect(texts.get('blank_image')).toBe('manager\n');
    await setAvailability(swarm.manager, 'active');
    expect(await leftovers()).toEqual([]);
  });

  it('makes a step elsewhere when its node dies', patience, async (context) => {
    const run = await startOnSecond(openRig(context), 'sleep 4; echo moved >out');
    await setAvailability(swarm.manager, 'active');
    await swarm.node(1).kill();
    const result = await run.result;
    expect(outcomeOf(result, 'blank_image')).toBe('built');
    expect(result.texts.get('blank_image')).toBe('moved\n');
    expect(await leftovers()).toEqual([]);
  });
});
