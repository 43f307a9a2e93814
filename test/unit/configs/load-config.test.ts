import {chmod, mkdir, mkdtemp, rm, symlink, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {afterEach, beforeEach, describe, expect, it} from 'vitest';
import {ConfigError, formatConfigIssue} from '../../../configs/config-error.ts';
import {defaultConfigs} from '../../../configs/default-configs.ts';
import {loadConfigs} from '../../../configs/load-config.ts';
import {defaultComponents} from '../../../configs/schema.ts';

let target: string;
let file: string;

beforeEach(async () => {
  target = await mkdtemp(join(tmpdir(), 'hypriotkit-configs-'));
  file = join(target, 'configs.json');
});

afterEach(async () => {
  await rm(target, {recursive: true});
});

async function failureOf(options: {readonly target?: string; readonly file?: string}): Promise<ConfigError> {
  try {
    await loadConfigs(options);
  } catch (error) {
    if (error instanceof ConfigError) {
      return error;
    }
    throw error;
  }
  throw new Error('Expected a ConfigError');
}

async function expectUnreadable(
  options: {readonly target?: string; readonly file?: string},
  message: string,
) {
  const {code, issues} = await failureOf(options);
  expect(code).toBe('CONFIG_UNREADABLE');
  expect(issues.map((issue) => formatConfigIssue(issue, target))).toEqual([message]);
}

describe('without a file', () => {
  it('requests everything but updates, with its defaults', async () => {
    const all = {
      components: defaultConfigs(),
      requested: defaultComponents,
      file: undefined,
      local: new Map(),
    };
    expect(await loadConfigs({})).toEqual(all);
    expect(await loadConfigs({target})).toEqual(all);
    expect(await loadConfigs({target: join(target, 'not', 'there')})).toEqual(all);
  });
});

describe('with a file', () => {
  it('takes configs.json from the target', async () => {
    await writeFile(file, '{"rpi_sd_image": {"version": "v9"}, "root_fs": {"hostname": "kraken"}}');
    const configs = await loadConfigs({target});
    expect(configs.file).toBe(file);
    expect(configs.requested).toEqual(['root_fs', 'rpi_sd_image']);
    expect(configs.components).toEqual({
      ...defaultConfigs(),
      root_fs: {...defaultConfigs().root_fs, hostname: 'kraken'},
      rpi_sd_image: {...defaultConfigs().rpi_sd_image, version: 'v9'},
    });
  });

  it('prefers the file that is named', async () => {
    const other = join(target, 'other.json');
    await writeFile(file, 'broken');
    await writeFile(other, '{"blank_image": {}}');
    expect(await loadConfigs({target, file: other})).toMatchObject({requested: ['blank_image'], file: other});
  });

  it('reads through a byte order mark and CRLF', async () => {
    await writeFile(file, '\ufeff{\r\n  "blank_image": {}\r\n}\r\n');
    expect((await loadConfigs({target})).requested).toEqual(['blank_image']);
    await writeFile(file, '\ufeff{"zz": 1}');
    expect((await failureOf({target})).issues).toMatchObject([{line: 1, column: 2}]);
  });

  it('reads through a symbolic link', async () => {
    await writeFile(join(target, 'real.json'), '{"blank_image": {}}');
    await symlink('real.json', file);
    expect(await loadConfigs({target})).toMatchObject({requested: ['blank_image'], file});
  });

  it('fails with the issues of an invalid one', async () => {
    await writeFile(file, '{\n  "root_fs": {\n\n    "hostname": "black pearl"\n  }\n}\n');
    const error = await failureOf({target});
    expect(error.code).toBe('CONFIG_INVALID');
    expect(error.issues.map((issue) => formatConfigIssue(issue, target))).toEqual([
      `configs.json:4:17 root_fs.hostname must be a host name (letters, digits, hyphens), found "black pearl"
    "hostname": "black pearl"
                ~~~~~~~~~~~~~`,
    ]);
  });
});

describe('a file that cannot be read', () => {
  it('does not exist', async () => {
    await expectUnreadable({file}, 'configs.json: does not exist');
  });

  it('is a link that leads nowhere or to itself', async () => {
    await symlink('nowhere.json', file);
    await expectUnreadable({target}, 'configs.json: does not exist');
    await rm(file);
    await symlink('configs.json', file);
    await expectUnreadable({target}, 'configs.json: is a symbolic link that leads to itself');
  });

  it('is a directory', async () => {
    await mkdir(file);
    await expectUnreadable({target}, 'configs.json: is a directory, not a file');
  });

  it('is a device', async () => {
    await expectUnreadable({file: '/dev/zero'}, '/dev/zero: is not a regular file');
  });

  it('has a target that is a file', async () => {
    await writeFile(file, '{"blank_image": {}}');
    const image = join(target, 'card.img');
    await writeFile(image, '');
    await expectUnreadable({target: image}, 'card.img: is a file, and a target must be a folder');
    await symlink('card.img', join(target, 'link'));
    await expectUnreadable({target: join(target, 'link')}, 'link: is a file, and a target must be a folder');
    // With a file of its own the configuration does not depend on the target.
    expect(await loadConfigs({target: image, file})).toMatchObject({file});
  });

  it('lies below a file', async () => {
    await writeFile(file, '{}');
    await expectUnreadable(
      {target: join(file, 'out')},
      'configs.json/out/configs.json: lies below something that is not a directory',
    );
  });

  it('belongs to somebody else', async () => {
    await writeFile(file, '{}');
    await chmod(file, 0);
    const isRoot = process.getuid?.() === 0;
    await chmod(target, 0o755);
    // Permissions do not hold for root, so that root must become somebody else for a moment.
    if (isRoot) {
      process.seteuid?.(65534);
    }
    try {
      const message = 'configs.json: must not be read by this user (permission denied)';
      await expectUnreadable({target}, message);
    } finally {
      if (isRoot) {
        process.seteuid?.(0);
      }
    }
  });

  it('is not UTF-8', async () => {
    await writeFile(file, Buffer.from('{\n  "root_fs": {"hostname": "\xe9"}}', 'latin1'));
    await expectUnreadable({target}, 'configs.json:2:28 is not UTF-8, found the byte 0xe9');
  });

  it('ends in the middle of a character', async () => {
    await writeFile(file, Buffer.from('{"é', 'utf8').subarray(0, 3));
    await expectUnreadable({target}, 'configs.json:1:3 is not UTF-8, found the byte 0xc3');
  });

  it('is UTF-16', async () => {
    await writeFile(file, '\ufeff{}', 'utf16le');
    await expectUnreadable({target}, 'configs.json: is UTF-16; save it as UTF-8');
  });

  it('is too large', async () => {
    await writeFile(file, ' '.repeat(10 * 1024 ** 2));
    await expectUnreadable({target}, 'configs.json: is larger than 1 MiB (10485760 bytes)');
  });
});
