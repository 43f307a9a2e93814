import {describe, expect, it} from 'vitest';
import {defaultConfigs} from '../../../configs/default-configs.ts';
import {
  componentNames,
  componentSchemas,
  Configs,
  fieldNames,
  isComponentName,
  parseSize,
  UserConfigs,
} from '../../../configs/schema.ts';

describe('the defaults', () => {
  it('are complete and valid', () => {
    expect(Configs.parse(defaultConfigs())).toEqual(defaultConfigs());
    for (const name of componentNames) {
      expect(Object.keys(defaultConfigs()[name])).toEqual(fieldNames(name));
    }
  });

  it('cannot be changed by who gets them', () => {
    expect(() => (defaultConfigs().root_fs.packages as string[]).push('x')).toThrow(TypeError);
  });
});

describe('componentNames', () => {
  it('is in the order of the graph', () => {
    expect(componentNames).toEqual([
      'base_image',
      'root_fs',
      'blank_image',
      'rpi_bootloader',
      'rpi_kernel',
      'rpi_sd_image',
      'content_image',
      'ota-bundler',
    ]);
  });

  it('knows nothing that every object has', () => {
    expect(isComponentName('root_fs')).toBe(true);
    expect(['__proto__', 'constructor', 'toString', ''].some(isComponentName)).toBe(false);
  });
});

describe('Configs', () => {
  it('applies the rules between fields', () => {
    const configs = structuredClone(defaultConfigs()) as {blank_image: {size: string}};
    configs.blank_image.size = '300MiB';
    expect(Configs.safeParse(configs).error?.issues).toMatchObject([{path: ['blank_image', 'size']}]);
  });

  it('has no defaults of its own', () => {
    expect(Configs.safeParse({}).error?.issues.map(({path}) => path[0])).toEqual(componentNames);
  });

  it('refuses unknown components and fields', () => {
    expect(Configs.safeParse({...defaultConfigs(), x: {}}).success).toBe(false);
    expect(UserConfigs.safeParse({root_fs: {x: 1}}).success).toBe(false);
  });

  it('describes each field', () => {
    for (const name of componentNames) {
      for (const [field, schema] of Object.entries<{description?: string}>(componentSchemas[name].shape)) {
        expect(schema.description, `${name}.${field}`).toBeTypeOf('string');
      }
    }
  });
});

it('exports parseSize', () => {
  expect(parseSize('2GiB')).toBe(2 * 1024 ** 3);
});
