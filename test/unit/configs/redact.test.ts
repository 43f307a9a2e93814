import {expect, it} from 'vitest';
import {defaultConfigs} from '../../../configs/default-configs.ts';
import {redactSecrets} from '../../../configs/redact.ts';

it('masks the password and nothing else, in a copy', () => {
  const configs = defaultConfigs();
  const redacted = redactSecrets(configs);
  expect(redacted.root_fs.password).toBe('********');
  expect(configs.root_fs.password).toBe('hypriot');
  expect({...redacted, root_fs: {...redacted.root_fs, password: 'hypriot'}}).toEqual(configs);
});

it('masks a hash as well', () => {
  const configs = defaultConfigs();
  const hashed = {...configs, root_fs: {...configs.root_fs, password: `$6$salt$${'a'.repeat(86)}`}};
  expect(JSON.stringify(redactSecrets(hashed))).not.toContain('$6$');
});
