import {describe, expect, it} from 'vitest';
import {combineVariants, type VariantSteps} from '../../../../api/pipeline/step-node.ts';
import {makeSetting, makeStep} from './step-rig.ts';

const packages = makeStep({name: 'root_fs.packages'});
const rootFs = (hostname: string) =>
  makeStep({inputs: ['root_fs.packages'], settings: [makeSetting('HOSTNAME', hostname)]});
const image = makeStep({name: 'image', inputs: ['root_fs']});

const variant = (name: string, hostname = name, given: Partial<VariantSteps> = {}): VariantSteps => ({
  variant: name,
  steps: [packages, rootFs(hostname), image],
  lists: new Map(),
  previous: new Map(),
  ...given,
});

describe('the graph of several variants', () => {
  it('has what they share once, and what stands on something of its own for each', () => {
    const {nodes, nodesOf} = combineVariants([variant('reef'), variant('tide')]);
    expect(nodes.map(({name, inputs, variants}) => [name, [...inputs.values()], variants])).toEqual([
      ['root_fs.packages', [], ['reef', 'tide']],
      ['root_fs [reef]', ['root_fs.packages'], ['reef']],
      ['image [reef]', ['root_fs [reef]'], ['reef']],
      ['root_fs [tide]', ['root_fs.packages'], ['tide']],
      ['image [tide]', ['root_fs [tide]'], ['tide']],
    ]);
    expect(nodesOf.get('tide')?.get('image')).toBe('image [tide]');
    expect(nodesOf.get('tide')?.get('root_fs.packages')).toBe('root_fs.packages');
  });

  it('is that of one variant where nothing differs, and names no variant then', () => {
    const {nodes} = combineVariants([variant('a', 'same'), variant('b', 'same')]);
    expect(nodes.map(({name}) => name)).toEqual(['root_fs.packages', 'root_fs', 'image']);
  });

  it('says of a step that some of them share how many do', () => {
    const {nodes} = combineVariants([variant('a', 'x'), variant('b', 'x'), variant('c', 'y')]);
    expect(nodes.map(({name}) => name)).toEqual([
      'root_fs.packages',
      'root_fs [a +1]',
      'image [a +1]',
      'root_fs [c]',
      'image [c]',
    ]);
  });

  it('keeps steps apart that are told different lists of packages', () => {
    const lists = new Map([['root_fs.packages', 'vim\n']]);
    const {nodes} = combineVariants([variant('a', 'x'), variant('b', 'x', {lists})]);
    expect(nodes.filter(({step}) => step.name === 'root_fs.packages')).toHaveLength(2);
  });
});
