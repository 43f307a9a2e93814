import type {Configs} from './schema.ts';
import {mask} from './secrets.ts';

/** A copy to print: the password is masked, a hash too, because it can be tried out at leisure. */
export function redactSecrets(configs: Configs): Configs {
  return {...configs, root_fs: {...configs.root_fs, password: mask}};
}
