import {readFileSync} from 'node:fs';
import {join} from 'node:path';
import {describe, expect, it} from 'vitest';
import {defaultConfigs} from '../../../configs/default-configs.ts';
import {configsJsonSchema, configsJsonSchemaText, type JsonSchema} from '../../../configs/json-schema.ts';
import {packageRoot} from '../../../configs/package-root.ts';
import {componentNames, fieldNames} from '../../../configs/schema.ts';

const schema = configsJsonSchema();
const components = componentNames.map((name) => [name, schema.properties?.[name] ?? {}] as const);

function* allPatterns(part: JsonSchema): Iterable<string> {
  for (const [keyword, value] of Object.entries(part)) {
    if (keyword === 'pattern') {
      yield String(value);
    } else if (typeof value === 'object' && value !== null) {
      yield* allPatterns(value as JsonSchema);
    }
  }
}

describe('configsJsonSchema', () => {
  it('is what configs/configs.schema.json holds (run `npm run schema` after a change)', () => {
    const file = join(packageRoot(), 'configs', 'configs.schema.json');
    expect(readFileSync(file, 'utf8')).toBe(configsJsonSchemaText());
  });

  it('is draft 7, knows all components, and needs none of them', () => {
    expect(schema['$schema']).toBe('http://json-schema.org/draft-07/schema#');
    expect(Object.keys(schema.properties ?? {})).toEqual(['$schema', 'matrix', ...componentNames]);
    expect(schema['required']).toBeUndefined();
    expect(schema['additionalProperties']).toBe(false);
  });

  it.each(components)('describes %s and each of its fields, with the default', (name, component) => {
    expect(component['required']).toBeUndefined();
    expect(component['additionalProperties']).toBe(false);
    expect(component['description']).toBeTypeOf('string');
    for (const field of fieldNames(name)) {
      const property = component.properties?.[field];
      expect(property?.['description'], field).toBeTypeOf('string');
      expect(property?.['default'], field).toEqual(
        (defaultConfigs()[name] as Readonly<Record<string, unknown>>)[field],
      );
    }
  });

  it('marks the alias of branch as deprecated', () => {
    expect(schema.properties?.['rpi_kernel']?.properties?.['kernel_branch']).toMatchObject({
      deprecated: true,
    });
  });

  it('has patterns that mean the same with and without the unicode flag', () => {
    // Editors differ in it, and \p means something else without.
    const patterns = [...allPatterns(schema)];
    expect(patterns.length).toBeGreaterThan(10);
    for (const pattern of patterns) {
      expect(() => new RegExp(pattern, 'u')).not.toThrow();
      expect(pattern).not.toContain('\\p');
    }
  });

  it('is a copy that the caller may change', () => {
    const first = configsJsonSchema();
    first['title'] = 'changed';
    (first.properties?.['root_fs']?.properties?.['packages']?.['default'] as string[]).push('changed');
    expect(configsJsonSchema()).toEqual(schema);
    expect(defaultConfigs().root_fs.packages).toEqual([]);
  });
});
