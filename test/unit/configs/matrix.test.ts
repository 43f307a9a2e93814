import fc from 'fast-check';
import {writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {describe, expect, it} from 'vitest';
import {checkUserFile} from '../../../configs/check-user-file.ts';
import type {ConfigError} from '../../../configs/config-error.ts';
import {defaultConfigs} from '../../../configs/default-configs.ts';
import {loadConfigs, loadVariants} from '../../../configs/load-config.ts';
import {SourceText} from '../../../configs/source-text.ts';
import {makeTempFolder} from '../api/temp-folder.ts';

function check(value: unknown) {
  const text = JSON.stringify(value, undefined, 2);
  return checkUserFile(new SourceText('/project/configs.json', text), defaultConfigs());
}

function issuesOf(value: unknown) {
  try {
    check(value);
  } catch (error) {
    return (error as ConfigError).issues;
  }
  return [];
}

describe('a matrix', () => {
  it('is every combination, in the order of the file, over the rest of it', () => {
    const file = {
      root_fs: {hostname: 'base', timezone: 'Europe/Berlin'},
      matrix: {'root_fs.hostname': ['reef', 'tide'], 'blank_image.device': ['rpi', 'odroid']},
    };
    const variants = check(file);
    expect(variants.map(({variant}) => variant)).toEqual([
      'reef_rpi',
      'reef_odroid',
      'tide_rpi',
      'tide_odroid',
    ]);
    expect(variants[3]?.configs).toEqual({
      root_fs: {hostname: 'tide', timezone: 'Europe/Berlin'},
      blank_image: {device: 'odroid'},
    });
    expect(check({root_fs: {}})).toMatchObject([{variant: undefined, configs: {root_fs: {}}}]);
  });

  it('leaves out what exclude names, and adds what include names', () => {
    const matrix = {
      'root_fs.hostname': ['reef', 'tide'],
      'blank_image.device': ['rpi', 'odroid'],
      exclude: [{'root_fs.hostname': 'tide', 'blank_image.device': 'odroid'}],
      include: [{'root_fs.hostname': 'lagoon', 'root_fs.timezone': 'Etc/UTC'}],
    };
    const variants = check({blank_image: {}, matrix});
    expect(variants.map(({variant}) => variant)).toEqual([
      'reef_rpi',
      'reef_odroid',
      'tide_rpi',
      'lagoon_Etc-UTC',
    ]);
  });

  it('tells lists and objects by their place', () => {
    const variants = check({
      rpi_sd_image: {},
      matrix: {'root_fs.packages': [['vim'], []], 'root_fs.password': ['secret']},
    });
    expect(variants.map(({variant}) => variant)).toEqual(['packages1_password1', 'packages2_password1']);
  });

  it.each([
    [{'root_fs.hostnam': ['a']}, 3, 'matrix has no field "root_fs.hostnam"'],
    [{'base_image.mirror': ['']}, 3, 'is the same for all variants'],
    [{'root_fs.hostname': []}, 3, 'must be a list of values'],
    [{'root_fs.hostname': 'a'}, 3, 'must be a list of values'],
    [{'root_fs.hostname': ['fine', 'no_good']}, 5, 'root_fs.hostname must be'],
    [{'root_fs.hostname': ['a', 'a']}, 5, 'two variants of matrix would both be called "a"'],
    [{'root_fs.hostname': ['a'], exclude: [{'root_fs.hostname': 'a'}]}, 2, 'leaves nothing to build'],
    [{'root_fs.hostname': ['a'], include: {}}, 6, 'matrix.include must be a list of objects'],
    [{include: [{x: 1}]}, 5, 'matrix has no field "x"'],
    [[], 2, 'must be an object of fields'],
    [{'root_fs.hostname': Array.from({length: 1001}, (_, i) => `h${i}`)}, 2, 'more than 1000 variants'],
  ])('is refused where it is wrong (%#)', (matrix, line, message) => {
    const issues = issuesOf({matrix, rpi_sd_image: {}});
    expect(issues).toMatchObject([{line, message: expect.stringContaining(message) as string}]);
  });

  it('says once what is wrong in every variant', () => {
    const file = {matrix: {'root_fs.hostname': ['a', 'b']}, rpi_sd_image: {versio: '1'}};
    expect(issuesOf(file)).toHaveLength(1);
  });

  it('never gives two variants one name, and never one that leaves the folder', () => {
    const value = fc.oneof(fc.string(), fc.integer(), fc.array(fc.string()), fc.constant(null));
    fc.assert(
      fc.property(fc.array(value, {maxLength: 6}), (values) => {
        const issues = issuesOf({
          matrix: {'root_fs.hostname': values, 'root_fs.version': ['1', '2']},
          root_fs: {},
        });
        if (issues.length > 0) return;
        const names = check({
          matrix: {'root_fs.hostname': values, 'root_fs.version': ['1', '2']},
          root_fs: {},
        }).map(({variant = ''}) => variant);
        expect(new Set(names.map((name) => name.toLowerCase())).size).toBe(names.length);
        for (const name of names) expect(name).toMatch(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/);
      }),
      {numRuns: 30},
    );
  });

  it('is several configurations, one of which can be had by name', async () => {
    const file = join(await makeTempFolder(), 'configs.json');
    await writeFile(file, JSON.stringify({rpi_sd_image: {}, matrix: {'root_fs.hostname': ['reef', 'tide']}}));
    expect((await loadVariants({file})).map(({variant}) => variant)).toEqual(['reef', 'tide']);
    expect((await loadConfigs({file}, 'tide')).components.root_fs.hostname).toBe('tide');
    await expect(loadConfigs({file})).rejects.toMatchObject({
      issues: [{message: 'has a matrix: say which variant is meant'}],
    });
    await expect(loadConfigs({file}, 'x')).rejects.toMatchObject({issues: [{expected: 'one of reef, tide'}]});
  });
});
