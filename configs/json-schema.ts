import {z} from 'zod';
import {defaultConfigs} from './default-configs.ts';
import {componentNames, componentSchemas, UserConfigs} from './schema.ts';

/** A JSON Schema, or a part of one. */
export interface JsonSchema {
  [keyword: string]: unknown;
  properties?: Record<string, JsonSchema>;
}

/** The JSON Schema (draft 7) of a user's configs.json: every component and field may be left out. */
export function configsJsonSchema(): JsonSchema {
  // Through JSON, because what zod returns carries its own methods.
  const schema = JSON.parse(
    JSON.stringify(z.toJSONSchema(UserConfigs, {io: 'input', target: 'draft-7'})),
  ) as JsonSchema;
  const defaults = defaultConfigs();
  for (const name of componentNames) {
    const component = schema.properties?.[name] ?? {};
    component['description'] = componentSchemas[name].description;
    for (const [field, value] of Object.entries(defaults[name])) {
      const property = component.properties?.[field];
      if (property !== undefined) {
        property['default'] = structuredClone(value);
      }
    }
  }
  const {$schema, ...rest} = schema;
  const description =
    'What hypriotkit builds. Only the listed components are delivered; absent fields have defaults.';
  return {$schema, title: 'hypriotkit configs.json', description, ...rest};
}

/** The text of configs/configs.schema.json. */
export function configsJsonSchemaText(): string {
  return `${JSON.stringify(configsJsonSchema(), null, 2)}\n`;
}
