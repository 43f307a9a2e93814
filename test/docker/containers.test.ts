import type Dockerode from 'dockerode';
import {afterAll, beforeAll, describe, expect, it} from 'vitest';
import {DockerContainer} from '../../api/docker/containers.ts';
import {engine, removeTestThings, testBaseImage, testLabels} from './engine.ts';
import {mebibyte} from './rig.ts';

beforeAll(testBaseImage);
afterAll(removeTestThings);

/** A container that runs a shell script with 32 MiB of memory. */
async function create(docker: Dockerode, script: string): Promise<DockerContainer> {
  const created = await (
    await engine()
  ).createContainer({
    Image: (await testBaseImage()).reference,
    Entrypoint: ['sh', '-euc', script],
    Cmd: [],
    Labels: testLabels,
    HostConfig: {NetworkMode: 'none', Memory: 32 * mebibyte, MemorySwap: 32 * mebibyte},
  });
  return new DockerContainer(docker, created.id);
}

/** The engine as it is when a container's end overtakes the message that it ran out of memory. */
async function forgetfulEngine(): Promise<Dockerode> {
  const docker = await engine();
  return Object.assign(Object.create(docker) as Dockerode, {
    getContainer: (id: string) => {
      const container = docker.getContainer(id);
      return Object.assign(Object.create(container) as Dockerode.Container, {
        inspect: async () => {
          const found = await container.inspect();
          return {...found, State: {...found.State, OOMKilled: false}};
        },
      });
    },
  });
}

const greedy = `perl -e 'my $x = "a" x (256 * 2**20); print length $x'`;

describe('a container that is killed', () => {
  it('for its memory is recognised when its state does not say so', async () => {
    const docker = await forgetfulEngine();
    await using container = await create(docker, greedy);
    expect(await container.run(() => undefined)).toEqual({status: 137, outOfMemory: true});
  });

  it('by somebody is not taken for one without memory', async () => {
    const docker = await forgetfulEngine();
    await using container = await create(docker, 'echo ready; sleep 60');
    const exit = await container.run((_stream, line) => {
      if (line === 'ready') void container.kill();
    });
    expect(exit).toEqual({status: 137, outOfMemory: false});
  });
});

describe('the output of a container', () => {
  it('arrives whole and in lines, however it is written', async () => {
    const docker = await engine();
    const lines: string[] = [];
    await using container = await create(
      docker,
      `printf 'no newline: '; printf 'ä%.0s' $(seq 3); printf '\\n\\r\\n10%%\\r20%%\\r\\nlast'; seq 20000 | cat >&2`,
    );
    const errors: string[] = [];
    const {status} = await container.run((stream, line) => (stream === 'stdout' ? lines : errors).push(line));
    expect(status).toBe(0);
    expect(lines).toEqual(['no newline: äää', '', '10%', '20%', 'last']);
    expect(errors).toHaveLength(20_000);
    expect(errors.at(-1)).toBe('20000');
  });
});
