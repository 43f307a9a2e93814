import {randomBytes} from 'node:crypto';
import {afterAll, afterEach, beforeAll, beforeEach, expect, it} from 'vitest';
import {label} from '../../api/docker/labels.ts';
import {openSession} from '../../api/engine/open-session.ts';
import {removeStaleRuns} from '../../api/engine/stale-runs.ts';
import {parseVolumeReference} from '../../api/engine/volume-reference.ts';
import {
  containersOf,
  engine,
  newVolumeName,
  removeTestThings,
  removeVolume,
  testBaseImage,
  testLabels,
  viewsOf,
} from './engine.ts';

let volume: string;
beforeAll(testBaseImage);
beforeEach(() => {
  volume = newVolumeName();
});
afterEach(() => removeVolume(volume));
afterAll(removeTestThings);

const run = randomBytes(6).toString('hex');

function labelsOf(role: string): Record<string, string> {
  return {
    ...testLabels,
    [label.run]: run,
    [label.role]: role,
    [label.volume]: parseVolumeReference(volume).id,
    [label.owner]: 'test@here, process 1',
  };
}

/** A container of the foreign run. */
async function create(
  role: string,
  ...command: string[]
): Promise<{start(): Promise<unknown>; wait(): Promise<unknown>}> {
  const docker = await engine();
  return docker.createContainer({
    Image: (await testBaseImage()).reference,
    Entrypoint: command,
    Cmd: [],
    Labels: labelsOf(role),
    HostConfig: {NetworkMode: 'none'},
  });
}

async function createView(): Promise<void> {
  const docker = await engine();
  await docker.createVolume({Name: `hypriotkit-view-${run}-1`, Labels: labelsOf('view')});
}

async function lookAround(): Promise<readonly string[]> {
  await using session = await openSession({volume});
  return await removeStaleRuns(session);
}

const rolesLeft = async () => (await containersOf(volume)).map(({role}) => role).sort();

it('removes everything of a run whose attendant has ended', async () => {
  const attendant = await create('attendant', 'true');
  await create('step', 'true');
  await createView();
  await attendant.start();
  await attendant.wait();

  expect(await lookAround()).not.toContain(run);

  expect(await rolesLeft()).toEqual([]);
  expect(await viewsOf(volume)).toEqual([]);
});

it('leaves a run alone whose attendant runs', async () => {
  const attendant = await create('attendant', 'sleep', '600');
  await create('step', 'true');
  await createView();
  await attendant.start();

  expect(await lookAround()).toContain(run);

  expect(await rolesLeft()).toEqual(['attendant', 'step']);
  expect(await viewsOf(volume)).toHaveLength(1);
});

it('leaves a run alone whose attendant has been created and not been started yet', async () => {
  await create('attendant', 'sleep', '600');
  await createView();

  await lookAround();

  expect(await rolesLeft()).toEqual(['attendant']);
  expect(await viewsOf(volume)).toHaveLength(1);
});

it('leaves a young run alone that has no attendant yet', async () => {
  await create('probe', 'none');
  await lookAround();
  expect(await rolesLeft()).toEqual(['probe']);
});
