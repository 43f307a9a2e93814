import {z} from 'zod';
import {requiredLocalPath} from './system-fields.ts';

// Fields of content_image. As in fields.ts, a message is the rest of a sentence: "must be …".

/** A file beside configs.json, or its fields; what they may be is checked where content images are made. */
export function contentConfig() {
  const error =
    'must be a YAML file beside configs.json (a relative path without ".."), or an object of its fields';
  return z.union([requiredLocalPath('a YAML file'), z.record(z.string(), z.unknown())], {error});
}
