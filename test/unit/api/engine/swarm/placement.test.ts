import fc from 'fast-check';
import {describe, expect, it} from 'vitest';
import type {SwarmNode} from '../../../../../api/docker/swarm.ts';
import {capacityOf, placeStep} from '../../../../../api/engine/swarm/placement.ts';

const gibibyte = 1024 ** 3;

function node(id: string, machine: string, more: Partial<SwarmNode> = {}): SwarmNode {
  return {
    id,
    name: id,
    machine,
    cpus: 4,
    memoryBytes: 8 * gibibyte,
    version: '20.10.24',
    ready: true,
    ...more,
  };
}

const wanted = {
  executes: 'arm64',
  images: ['amd64', 'arm64'],
  memoryBytes: gibibyte,
  unable: new Set<string>(),
};

describe('the place of a step', () => {
  it('is a native node where there is one, and an image for it', () => {
    const nodes = [node('a', 'x86_64'), node('b', 'aarch64')];
    expect(placeStep(nodes, wanted)).toMatchObject({
      image: 'arm64',
      emulated: false,
      constraints: ['node.platform.arch==aarch64'],
    });
  });

  it('is a node that emulates where no native one is ready, or no image is there for it', () => {
    const emulating = {image: 'amd64', emulated: true, constraints: ['node.platform.arch==x86_64']};
    const nodes = [node('a', 'x86_64'), node('b', 'aarch64', {ready: false})];
    expect(placeStep(nodes, wanted)).toMatchObject(emulating);
    expect(
      placeStep([node('a', 'x86_64'), node('b', 'aarch64')], {...wanted, images: ['amd64']}),
    ).toMatchObject(emulating);
  });

  it('is nowhere when every node has turned out to be unable', () => {
    expect(placeStep([node('a', 'x86_64')], {...wanted, unable: new Set(['a'])})).toBeUndefined();
    expect(placeStep([node('a', 'riscv64')], wanted)).toBeUndefined();
  });

  it('never reserves more memory than the largest node has', () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat(64 * gibibyte), {minLength: 1}),
        fc.nat(64 * gibibyte),
        (sizes, memoryBytes) => {
          const nodes = sizes.map((size, index) => node(`n${index}`, 'x86_64', {memoryBytes: size}));
          const place = placeStep(nodes, {...wanted, memoryBytes});
          expect(place?.reservedMemoryBytes).toBeLessThanOrEqual(Math.max(...sizes));
        },
      ),
    );
  });

  it('counts the processors of nodes that are ready', () => {
    expect(capacityOf([node('a', 'x86_64'), node('b', 'x86_64', {ready: false}), node('c', 'aarch64')])).toBe(
      8,
    );
  });
});
