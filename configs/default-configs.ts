import {readFileSync} from 'node:fs';
import {join} from 'node:path';
import {packageRoot} from './package-root.ts';
import {Configs} from './schema.ts';

let loaded: Configs | undefined;

/** The defaults of every field, from configs/configs.json; they stand nowhere else. */
export function defaultConfigs(): Configs {
  return (loaded ??= loadDefaults());
}

function loadDefaults(): Configs {
  const file = join(packageRoot(), 'configs', 'configs.json');
  const {$schema: _, ...components} = JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>;
  return deepFreeze(Configs.parse(components));
}

/** Everybody gets the same object. */
function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null) {
    for (const child of Object.values(value)) {
      deepFreeze(child);
    }
    Object.freeze(value);
  }
  return value;
}
