import {execFileSync} from 'node:child_process';
import {readdirSync, readFileSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {beforeEach, describe, expect, it} from 'vitest';
import {createBundle, type CreateBundleOptions} from '../../../../api/bundle/create.ts';
import {initBundle} from '../../../../api/bundle/init.ts';
import {loadVerificationKey} from '../../../../api/bundle/signing-key.ts';
import {descriptionTemplate} from '../../../../api/bundle/template.ts';
import {inspectBundle} from '../../../../api/bundle/verify.ts';
import {makeTempFolder} from '../temp-folder.ts';

let folder: string;
const at = (name: string) => join(folder, name);
const openssl = (...args: string[]) =>
  execFileSync('openssl', args, {cwd: folder, stdio: ['ignore', 'pipe', 'pipe']}).toString();

beforeEach(async () => {
  folder = await makeTempFolder();
  writeFileSync(at('gripper_1.0.0.yaml'), descriptionTemplate({id: 'gripper', version: '1.0.0'}));
  writeFileSync(at('EULA.txt'), 'You may.\n');
  writeFileSync(at('limits.json'), '{}\n');
});

function makeKey(name: string, ...how: string[]): string {
  openssl('genpkey', '-out', name, ...how);
  openssl('pkey', '-in', name, '-pubout', '-out', `${name}.pub`);
  return at(name);
}

const kinds = {
  rsa: ['-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048'],
  p256: ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256'],
  p384: ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-384'],
  p521: ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-521'],
} as const;

function create(options: Partial<CreateBundleOptions> & {key: string}) {
  return createBundle({
    description: at('gripper_1.0.0.yaml'),
    files: [at('EULA.txt'), at('limits.json')],
    outputFolder: folder,
    ...options,
  });
}

describe.each(Object.entries(kinds))('signed with %s', (kind, how) => {
  it('openssl accepts our signatures, and we accept those of openssl', async () => {
    const key = makeKey(`${kind}.pem`, ...how);
    const made = await create({key});
    expect(made.members).toEqual([
      'EULA.txt',
      'gripper_1.0.0.yaml',
      'gripper_1.0.0.yaml.sign',
      'limits.json',
      'limits.json.sign',
    ]);
    for (const file of ['gripper_1.0.0.yaml', 'limits.json']) {
      expect(openssl('dgst', '-sha256', '-verify', `${key}.pub`, '-signature', `${file}.sign`, file)).toBe(
        'Verified OK\n',
      );
      // The other way round: what the seed's own recipe makes.
      openssl('dgst', '-sha256', '-sign', key, '-out', `${file}.sign`, file);
    }
    execFileSync(
      'tar',
      [
        '-czf',
        'gripper_1.0.0.bundle',
        'gripper_1.0.0.yaml',
        'gripper_1.0.0.yaml.sign',
        'limits.json',
        'limits.json.sign',
        'EULA.txt',
      ],
      {cwd: folder},
    );
    const report = await inspectBundle(
      at('gripper_1.0.0.bundle'),
      await loadVerificationKey(`${key}.pub`, 'key'),
    );
    expect(report.problems).toEqual([]);
    expect(report.signatures.map(({status}) => status)).toEqual(['valid', 'valid']);
  });

  it('the same input gives the same bundle, also from other files on disk', async () => {
    const key = makeKey(`${kind}.pem`, ...how);
    await create({key});
    const first = readFileSync(at('gripper_1.0.0.bundle'));
    execFileSync('touch', ['-d', '2001-01-01', 'EULA.txt', 'gripper_1.0.0.yaml'], {cwd: folder});
    execFileSync('chmod', ['600', 'EULA.txt'], {cwd: folder});
    await create({key, force: true, files: [at('limits.json'), at('EULA.txt')]});
    expect(readFileSync(at('gripper_1.0.0.bundle')).equals(first)).toBe(true);
  });
});

describe('createBundle', () => {
  it('writes a bundle that GNU tar lists with fixed owners and times', async () => {
    await create({key: makeKey('k.pem', ...kinds.p256)});
    const list = execFileSync('tar', ['--utc', '-tvzf', at('gripper_1.0.0.bundle')]).toString();
    for (const line of list.trim().split('\n'))
      expect(line).toMatch(/^-rw-r--r-- 0\/0 +\d+ 1970-01-01 00:00 /);
  });

  it('puts everything into a folder if asked to', async () => {
    const key = makeKey('k.pem', ...kinds.p256);
    const {members} = await create({key, layout: 'folder'});
    expect(members).toEqual([
      'gripper_1.0.0/gripper_1.0.0.yaml',
      'gripper_1.0.0/gripper_1.0.0.yaml.sign',
      'gripper_1.0.0/licenses/EULA.txt',
      'gripper_1.0.0/limits.json',
      'gripper_1.0.0/limits.json.sign',
    ]);
    const report = await inspectBundle(
      at('gripper_1.0.0.bundle'),
      await loadVerificationKey(`${key}.pub`, 'key'),
    );
    expect(report).toMatchObject({layout: 'folder', problems: [], warnings: []});
  });

  it('overwrites nothing without force, neither the bundle nor a signature', async () => {
    const key = makeKey('k.pem', ...kinds.p256);
    writeFileSync(at('limits.json.sign'), 'mine');
    await expect(create({key})).rejects.toMatchObject({
      code: 'OUTPUT_EXISTS',
      message: expect.stringContaining('limits.json.sign') as string,
    });
    expect(readFileSync(at('limits.json.sign'), 'utf8')).toBe('mine');
    expect(readdirSync(folder).filter((name) => name.includes('bundle'))).toEqual([]);
    await create({key, force: true});
    await expect(create({key})).rejects.toMatchObject({
      code: 'OUTPUT_EXISTS',
      message: expect.stringContaining('.bundle') as string,
    });
    await create({key, force: true});
    expect(readdirSync(folder).filter((name) => name.includes('partial'))).toEqual([]);
  });

  it('takes an encrypted key with its passphrase only', async () => {
    const key = makeKey('plain.pem', ...kinds.rsa);
    openssl('pkey', '-in', key, '-aes256', '-passout', 'pass:sesame', '-out', 'locked.pem');
    openssl('rsa', '-in', key, '-aes128', '-traditional', '-passout', 'pass:sesame', '-out', 'old.pem');
    for (const locked of ['locked.pem', 'old.pem']) {
      const wrong = {key: at(locked), askPassphrase: () => Promise.resolve('wrong'), force: true};
      await expect(create(wrong)).rejects.toMatchObject({
        code: 'KEY_UNUSABLE',
        message: expect.stringContaining('passphrase') as string,
      });
      await expect(create({key: at(locked), force: true})).rejects.toMatchObject({code: 'KEY_UNUSABLE'});
      await create({key: at(locked), askPassphrase: () => Promise.resolve('sesame'), force: true});
      expect(
        openssl('dgst', '-sha256', '-verify', `${key}.pub`, '-signature', 'limits.json.sign', 'limits.json'),
      ).toBe('Verified OK\n');
    }
  });

  it.each([
    [
      'a public key',
      ['pkey', '-in', 'k.pem', '-pubout', '-out', 'bad.pem'],
      /public key; signing needs the private one/,
    ],
    ['Ed25519', ['genpkey', '-algorithm', 'ED25519', '-out', 'bad.pem'], /of the kind ed25519/],
    [
      'another curve',
      ['ecparam', '-name', 'secp256k1', '-genkey', '-noout', '-out', 'bad.pem'],
      /of the kind secp256k1/,
    ],
    ['DER', ['pkey', '-in', 'k.pem', '-outform', 'DER', '-out', 'bad.pem'], /not a key in PEM form/],
    ['nothing', ['version'], /does not exist/],
  ])('refuses %s as key', async (_name, command, message) => {
    makeKey('k.pem', ...kinds.p256);
    openssl(...command);
    await expect(create({key: at('bad.pem')})).rejects.toMatchObject({
      code: 'KEY_UNUSABLE',
      message: expect.stringMatching(message) as string,
    });
  });

  it('warns about a short RSA key and about a missing licence', async () => {
    const {warnings} = await create({
      key: makeKey('k.pem', '-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:1024'),
      files: [],
    });
    expect(warnings).toEqual([
      'the RSA key has 1024 bits only: use at least 2048',
      'no EULA or licence (.txt) is among the files; update agents expect one',
    ]);
  });

  it('refuses two files of one name, files that are missing, and a description with mistakes', async () => {
    const key = makeKey('k.pem', ...kinds.p256);
    await expect(create({key, files: [at('EULA.txt'), at('EULA.txt')]})).rejects.toMatchObject({
      code: 'USAGE',
    });
    await expect(create({key, files: [at('none.txt')]})).rejects.toMatchObject({code: 'INPUT_UNREADABLE'});
    await expect(create({key, files: [folder]})).rejects.toMatchObject({code: 'INPUT_UNREADABLE'});
    writeFileSync(at('gripper_1.0.0.yaml'), 'id: 1\n');
    await expect(create({key})).rejects.toMatchObject({code: 'BUNDLE_INVALID'});
    expect(readdirSync(folder).filter((name) => /sign|bundle/.test(name))).toEqual([]);
  });
});

it('initBundle refuses names that no bundle can have', async () => {
  await expect(initBundle('gripper')).rejects.toMatchObject({code: 'USAGE'});
});
