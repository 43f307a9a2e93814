import fc from 'fast-check';
import {describe, expect, it} from 'vitest';
import {defaultConfigs} from '../../../configs/default-configs.ts';
import {mergeConfigs} from '../../../configs/merge.ts';
import {componentNames, fieldNames, type Configs, type UserConfigs} from '../../../configs/schema.ts';

const defaults = defaultConfigs();

// The merge looks at no value, so the values need not be valid ones.
const userConfigs = fc
  .record(
    Object.fromEntries(
      componentNames.map((name) => [
        name,
        fc.record(
          Object.fromEntries(
            fieldNames(name).map((field) => [
              field,
              field === 'packages' ? fc.array(fc.string()) : fc.string(),
            ]),
          ),
          {requiredKeys: []},
        ),
      ]),
    ),
    {requiredKeys: []},
  )
  .map((configs) => configs as UserConfigs);

function valueAt(configs: object, component: string, field: string): unknown {
  return (configs as Record<string, Record<string, unknown> | undefined>)[component]?.[field];
}

describe('mergeConfigs', () => {
  it('is what the seed describes: the blank image for odroid devices, and nothing else', () => {
    const {components, requested} = mergeConfigs(defaults, {base_image: {}, blank_image: {device: 'odroid'}});
    expect(requested).toEqual(['base_image', 'blank_image']);
    expect(components).toEqual({...defaults, blank_image: {...defaults.blank_image, device: 'odroid'}});
  });

  it('requests in the order of the graph, whatever the order of the file', () => {
    const {requested} = mergeConfigs(defaults, {rpi_sd_image: {}, blank_image: {}, base_image: {}});
    expect(requested).toEqual(['base_image', 'blank_image', 'rpi_sd_image']);
  });

  it('replaces lists and does not append to them', () => {
    const some: Configs = {...defaults, root_fs: {...defaults.root_fs, packages: ['vim', 'htop']}};
    expect(mergeConfigs(some, {root_fs: {packages: ['nano']}}).components.root_fs.packages).toEqual(['nano']);
    expect(mergeConfigs(some, {root_fs: {packages: []}}).components.root_fs.packages).toEqual([]);
    expect(mergeConfigs(some, {root_fs: {}}).components.root_fs.packages).toEqual(['vim', 'htop']);
  });

  it('takes an explicit undefined for absent', () => {
    const user: UserConfigs = {root_fs: {hostname: undefined}, blank_image: undefined, $schema: undefined};
    expect(mergeConfigs(defaults, user)).toEqual({components: defaults, requested: ['root_fs']});
  });

  it('takes kernel_branch for branch, and drops $schema', () => {
    const {components} = mergeConfigs(defaults, {$schema: 'x', rpi_kernel: {kernel_branch: 'rpi-6.18.y'}});
    expect(components).toEqual({...defaults, rpi_kernel: {...defaults.rpi_kernel, branch: 'rpi-6.18.y'}});
  });

  it('lets each field of the user win and has the default for each other one', () => {
    fc.assert(
      fc.property(userConfigs, (user) => {
        const {components, requested} = mergeConfigs(defaults, user);
        expect(Object.keys(components)).toEqual(componentNames);
        expect(requested).toEqual(componentNames.filter((name) => user[name] !== undefined));
        for (const name of componentNames) {
          expect(Object.keys(components[name])).toEqual(Object.keys(defaults[name]));
          for (const field of fieldNames(name)) {
            const wanted = valueAt(user, name, field) ?? valueAt(defaults, name, field);
            expect(valueAt(components, name, field)).toEqual(wanted);
          }
        }
      }),
    );
  });

  it('changes none of its inputs and shares nothing with them', () => {
    fc.assert(
      fc.property(userConfigs, (user) => {
        const base = structuredClone<Configs>(defaults);
        const [baseBefore, userBefore] = [structuredClone(base), structuredClone(user)];
        const {components} = mergeConfigs(base, user);
        expect(base).toEqual(baseBefore);
        expect(user).toEqual(userBefore);
        (components.root_fs.packages as string[]).push('changed');
        (components.blank_image as {device: string}).device = 'changed';
        expect(base).toEqual(baseBefore);
        expect(user).toEqual(userBefore);
      }),
    );
  });

  it('does not depend on the order of keys', () => {
    const reversed = (value: object): object =>
      Object.fromEntries(
        Object.entries(value)
          .reverse()
          .map(([key, child]) => [
            key,
            typeof child === 'object' && !Array.isArray(child) ? reversed(child as object) : child,
          ]),
      );
    fc.assert(
      fc.property(userConfigs, (user) => {
        expect(JSON.stringify(mergeConfigs(defaults, reversed(user)))).toBe(
          JSON.stringify(mergeConfigs(defaults, user)),
        );
      }),
    );
  });
});
