import {OtaError} from '../../ota-error.ts';
import {keys} from '../model/annotation-keys.ts';
import type {AnnotationMap} from './annotation-file.ts';

const known: ReadonlySet<string> = new Set(Object.values(keys));
const userKeys: ReadonlySet<string> = new Set([
  keys.platform,
  keys.projectVersion,
  keys.ecuHardwareModel,
  keys.ecuHardwareSeries,
]);

export interface BuildAnnotationOptions {
  readonly base?: AnnotationMap | undefined;
  /** `key=value` of the few keys that are a user's to set; where the base has none. */
  readonly user?: readonly string[] | undefined;
  /** `key=value`, where neither the base nor `user` has one. */
  readonly addOr?: readonly string[] | undefined;
  /** `key=value`, whatever was there. */
  readonly addReplace?: readonly string[] | undefined;
}

/**
 * Puts annotations together. Keys that images do not have are left out and listed in `ignored`.
 * @throws {OtaError} INPUT_INVALID for what is not `key=value`
 */
export function buildAnnotation({
  base = {},
  user = [],
  addOr = [],
  addReplace = [],
}: BuildAnnotationOptions): {
  readonly annotations: AnnotationMap;
  readonly ignored: readonly string[];
} {
  const annotations: Record<string, unknown> = {...base};
  const ignored: string[] = [];
  const apply = (pairs: readonly string[], allowed: ReadonlySet<string>, replaces: boolean): void => {
    for (const pair of pairs) {
      const [key, value] = splitPair(pair);
      if (!allowed.has(key)) ignored.push(key);
      else if (replaces || annotations[key] === undefined) annotations[key] = value;
    }
  };
  apply(user, userKeys, false);
  apply(addOr, known, false);
  apply(addReplace, known, true);
  return {annotations, ignored};
}

function splitPair(pair: string): [key: string, value: string] {
  const at = pair.indexOf('=');
  if (at < 1) throw new OtaError('INPUT_INVALID', `Expected key=value, got ${JSON.stringify(pair)}`);
  return [pair.slice(0, at), pair.slice(at + 1)];
}
