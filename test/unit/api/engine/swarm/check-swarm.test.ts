import {describe, expect, it} from 'vitest';
import type {DockerImages} from '../../../../../api/docker/images.ts';
import type {SwarmNode} from '../../../../../api/docker/swarm.ts';
import {checkSwarm, type SwarmToCheck} from '../../../../../api/engine/swarm/check-swarm.ts';
import {parseRepository} from '../../../../../api/registry/repository-name.ts';

function node(name: string, more: Partial<SwarmNode> = {}): SwarmNode {
  const usual = {machine: 'x86_64', cpus: 2, memoryBytes: 4e9, version: '20.10.24', ready: true};
  return {id: `id-${name}`, name, ...usual, ...more};
}

/** An engine that says what a test wants. */
function place(
  role: 'manager' | 'worker' | 'none',
  nodes: readonly SwarmNode[] = [],
  more: {registry?: string} = {},
): SwarmToCheck {
  return {
    swarm: {
      role: () => Promise.resolve(role),
      nodes: () => Promise.resolve(nodes),
      tasks: () => Promise.resolve([]),
      list: () => Promise.resolve([]),
      createFetch: () => Promise.resolve('s'),
      remove: () => Promise.resolve(),
    },
    images: {} as DockerImages,
    registry: more.registry === undefined ? undefined : parseRepository(more.registry, '--registry'),
    insecure: true,
    signal: new AbortController().signal,
  };
}

const seen = async (of: SwarmToCheck) =>
  (await checkSwarm(of)).map(({name, status, detail, fix}) => [name, status, detail, fix?.split('\n')[0]]);

describe('doctor for a swarm', () => {
  it('wants a manager', async () => {
    expect(await seen(place('none'))).toEqual([
      ['Swarm', 'failed', 'the engine is not part of a swarm', 'docker swarm init'],
    ]);
    expect(await seen(place('worker'))).toEqual([
      [
        'Swarm',
        'failed',
        'the engine is a worker of a swarm, not a manager',
        'Point DOCKER_HOST to a manager, or make this one: docker node promote',
      ],
    ]);
  });

  it('says which nodes are away or too old, and which run arm64 themselves', async () => {
    const nodes = [node('a'), node('b', {machine: 'aarch64'}), node('c', {ready: false, version: '19.03.1'})];
    expect(await seen(place('manager', nodes))).toEqual([
      [
        'Swarm',
        'warning',
        '2 of 3 nodes are ready, with 4 CPUs: a (x86_64), b (aarch64), c (x86_64, away)',
        'docker node ls',
      ],
      [
        'Engines',
        'failed',
        'older than 20.10: c (19.03.1)',
        'Upgrade these engines, or take them out: docker node update --availability drain NODE',
      ],
      [
        'arm64 programs',
        'ok',
        'native on b; emulated on a; nodes besides the manager need qemu-user-static for it',
        undefined,
      ],
      [
        'Registry',
        'failed',
        'none is named, through which nodes hand artifacts on',
        'hypriotkit doctor --engine swarm --registry registry.example:5000/team/images',
      ],
    ]);
  });

  it('tells a registry that only this machine can mean', async () => {
    const [, , , registry] = await seen(
      place('manager', [node('a')], {registry: 'localhost:5000/team/images'}),
    );
    expect(registry?.slice(0, 3)).toEqual([
      'Registry',
      'failed',
      'localhost:5000 means another machine on every node',
    ]);
  });
});
