import type {Configs} from './schema.ts';
import {mask, maskUserInfo} from './secrets.ts';

/**
 * A copy to print: the password is masked, a hash too, because it can be tried out at leisure, and so is what stands
 * before the @ of an address.
 */
export function redactSecrets(configs: Configs): Configs {
  const printed = JSON.parse(JSON.stringify(configs), (_key, value: unknown) =>
    typeof value === 'string' ? maskUserInfo(value) : value,
  ) as Configs;
  return {...printed, root_fs: {...printed.root_fs, password: mask}};
}
