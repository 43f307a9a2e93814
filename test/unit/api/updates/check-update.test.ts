import {createPublicKey, generateKeyPairSync} from 'node:crypto';
import {mkdir, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {beforeEach, describe, expect, it, vi} from 'vitest';
import {checkUpdate} from '../../../../api/updates/check-update.ts';
import {passwordVariable} from '../../../../api/updates/load-signing.ts';
import {ConfigError, formatConfigIssue} from '../../../../configs/config-error.ts';
import {loadConfigs} from '../../../../configs/load-config.ts';
import {makeTempFolder} from '../temp-folder.ts';
import {makeSigners, pemOf, type Signers} from './signing-rig.ts';

let folder: string;
let signers: Signers;
const put = (name: string, content: string) => writeFile(join(folder, name), content);

beforeEach(async () => {
  vi.unstubAllEnvs();
  folder = await makeTempFolder();
  signers = await makeSigners();
  await put('sign.key', signers.key);
  await put('sign.pem', signers.leaf.pem);
  await put('middle.pem', signers.middle.pem);
  await put('root.pem', signers.root.pem);
});

const signed = {sign_key: 'sign.key', sign_cert: 'sign.pem', ca_certs: ['middle.pem', 'root.pem']};

/** What a build with this section would sign with. */
async function load(section: object) {
  await put('configs.json', JSON.stringify({'ota-bundler': section}, undefined, 1));
  return checkUpdate(await loadConfigs({target: folder}));
}

/** The first line of each thing that is wrong, and everything that would be printed. */
async function problemsOf(section: object): Promise<{lines: string[]; all: string}> {
  try {
    await load(section);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const texts = error.issues.map((issue) => formatConfigIssue(issue, folder));
    return {lines: texts.map((text) => text.split('\n')[0] ?? ''), all: texts.join('\n') + error.message};
  }
  return {lines: [], all: ''};
}

describe('a key and its certificates', () => {
  it('come from files beside configs.json; the root stays out of the signature', async () => {
    expect(await load(signed)).toEqual({
      key: signers.key,
      certificate: `${signers.leaf.pem.trim()}\n`,
      intermediates: [`${signers.middle.pem.trim()}\n`],
    });
  });

  it('come from variables, as text or as the path of a file, and from files with several certificates', async () => {
    vi.stubEnv('OTA_KEY', signers.key);
    vi.stubEnv('OTA_CERT', join(folder, 'sign.pem'));
    await put('chain.pem', `${signers.middle.pem}\n${signers.root.pem}`);
    const material = await load({
      sign_key: 'env:OTA_KEY',
      sign_cert: 'env:OTA_CERT',
      ca_certs: ['chain.pem'],
    });
    expect(material).toMatchObject({key: signers.key, intermediates: [`${signers.middle.pem.trim()}\n`]});
  });

  it('are not asked for where nothing is signed', async () => {
    expect(await load({})).toBeUndefined();
  });

  it('may be encrypted, where the password is known', async () => {
    const encrypted = signers.leaf.privateKey.export({
      type: 'pkcs8',
      format: 'pem',
      cipher: 'aes-256-cbc',
      passphrase: 'open',
    });
    await put('sign.key', encrypted as string);
    expect((await problemsOf(signed)).lines).toEqual([
      `configs.json:3:15 ota-bundler.sign_key holds an encrypted key, and ${passwordVariable} has no password for it, found "sign.key"`,
    ]);
    vi.stubEnv(passwordVariable, 'wrong');
    expect((await problemsOf(signed)).lines).toEqual([
      'configs.json:3:15 ota-bundler.sign_key cannot be used: the signing key cannot be read, found "sign.key"',
    ]);
    vi.stubEnv(passwordVariable, 'open');
    expect(await load(signed)).toMatchObject({passphrase: 'open'});
  });
});

describe('what a device would refuse is named before anything is built', () => {
  const key = (curve: string) =>
    generateKeyPairSync('ec', {namedCurve: curve}).privateKey.export({
      type: 'pkcs8',
      format: 'pem',
    }) as string;

  it.each<[string, () => string | Promise<string>, string]>([
    [
      'a public key',
      () => createPublicKey(signers.key).export({type: 'spki', format: 'pem'}) as string,
      'holds a public key, and signing needs the private one',
    ],
    ['a certificate', () => signers.leaf.pem, 'holds a certificate, and signing needs its private key'],
    ['no PEM', () => 'secret', 'holds no private key in PEM form'],
    [
      'another curve',
      () => key('secp384r1'),
      "cannot be used: the signing key's curve does not match: secp384r1, and ES256 needs P-256",
    ],
    [
      'a key of another kind',
      () =>
        generateKeyPairSync('rsa', {modulusLength: 2048}).privateKey.export({
          type: 'pkcs8',
          format: 'pem',
        }) as string,
      'cannot be used: the signing key is not an ECDSA private key',
    ],
  ])('sign_key: %s', async (_, content, message) => {
    await put('sign.key', await content());
    expect((await problemsOf(signed)).lines).toEqual([
      `configs.json:3:15 ota-bundler.sign_key ${message}, found "sign.key"`,
    ]);
  });

  it('sign_key: a file or a variable that is not there', async () => {
    expect((await problemsOf({...signed, sign_key: 'keys/none.key'})).lines).toEqual([
      `configs.json:3:15 ota-bundler.sign_key does not exist in ${folder}, found "keys/none.key"`,
    ]);
    expect((await problemsOf({...signed, sign_key: 'env:OTA_NONE'})).lines).toEqual([
      'configs.json:3:15 ota-bundler.sign_key names OTA_NONE, which is not set, found "env:OTA_NONE"',
    ]);
  });

  it('a variable that holds something else, whose content is never printed', async () => {
    vi.stubEnv('OTA_KEY', 'MHcCAQEEIBverysecret');
    const {lines, all} = await problemsOf({...signed, sign_key: 'env:OTA_KEY'});
    expect(lines).toEqual([
      'configs.json:3:15 ota-bundler.sign_key names OTA_KEY, which must hold PEM text, or the path of a file with it (ENOENT), found "env:OTA_KEY"',
    ]);
    expect(all).not.toContain('verysecret');
  });

  it('a key that is pasted into configs.json, which is not printed either', async () => {
    const {lines, all} = await problemsOf({...signed, sign_key: signers.key});
    expect(lines).toHaveLength(1);
    expect(lines[0]).toContain(
      'configs.json:3:15 ota-bundler.sign_key must be a PEM file with a private key',
    );
    for (const line of signers.key.split('\n').slice(1, 3)) expect(all).not.toContain(line);
  });

  it('sign_cert: one of another key', async () => {
    await put('sign.key', pemOf(signers.middle));
    expect((await problemsOf(signed)).lines).toEqual([
      'configs.json:4:16 ota-bundler.sign_cert cannot be used: the signing key does not belong to the certificate "CN=sign", found "sign.pem"',
    ]);
  });

  it('sign_cert: a key', async () => {
    await put('sign.pem', signers.key);
    const {lines, all} = await problemsOf(signed);
    expect(lines).toEqual([
      'configs.json:4:16 ota-bundler.sign_cert holds a private key, which belongs into sign_key, found "sign.pem"',
    ]);
    expect(all).not.toContain(signers.key.split('\n')[1]);
  });

  it('sign_cert: one that has expired', async () => {
    signers = await makeSigners({notBefore: new Date('2020-01-01'), notAfter: new Date('2021-01-01')});
    await put('sign.key', signers.key);
    await put('sign.pem', signers.leaf.pem);
    await put('middle.pem', signers.middle.pem);
    await put('root.pem', signers.root.pem);
    expect((await problemsOf(signed)).lines[0]).toMatch(
      /^configs\.json:5:15 ota-bundler\.ca_certs cannot be used: the certificate chain is not valid: "CN=sign" is valid from .* to Jan {2}1 .*2021/,
    );
  });

  it('ca_certs: a root that the certificate does not lead to, and a chain with a gap', async () => {
    const other = await makeSigners();
    await put('other.pem', other.root.pem);
    expect((await problemsOf({...signed, ca_certs: ['other.pem']})).lines).toEqual([
      'configs.json:5:15 ota-bundler.ca_certs cannot be used: the certificate chain is not valid: no trusted certificate issued "CN=sign", found a list',
    ]);
    expect((await problemsOf({...signed, ca_certs: ['middle.pem', 'other.pem']})).lines).toEqual([
      'configs.json:5:15 ota-bundler.ca_certs cannot be used: the certificate chain is not valid: "CN=root" did not sign "CN=middle", found a list',
    ]);
  });

  it('annotations: one that does not exist, and one that is found out', async () => {
    const annotations = {'vnd.tier4.pilot-auto.platfrom': 'x', 'vnd.tier4.ota.release-key': 'dev'};
    expect((await problemsOf({annotations})).lines).toEqual([
      'configs.json:4:37 ota-bundler.annotations.vnd.tier4.pilot-auto.platfrom is no annotation of an OTA image, "vnd.tier4.pilot-auto.platform" is, found "x"',
      'configs.json:5:33 ota-bundler.annotations.vnd.tier4.ota.release-key cannot be set here: it is found out, or has a field of its own, found "dev"',
    ]);
  });

  it('sys_config: a file that is none', async () => {
    await put('sys.yaml', 'hostname: [1]\n');
    const {lines} = await problemsOf({ecus: [{id: 'main', sys_config: 'sys.yaml'}]});
    expect(lines).toHaveLength(1);
    expect(lines[0]).toContain('ota-bundler.ecus[0].sys_config is no system configuration: hostname: ');
  });

  it('an update-agent bundle: images from a registry need digests, and a description must be right', async () => {
    const section = {
      ...signed,
      outputs: ['update_agent_bundle'],
      update_agent_bundle: {description: 'b.yaml', images: 'registry'},
    };
    const head = "apiVersion: v1\nid: b\nname: b\nversion: 1.0.0\ntype: base\nkukaLinuxVersion: '*'\n";
    await put('b.yaml', `${head}containers:\n  - spec: {name: c, image: 'x:1'}\n`);
    expect((await problemsOf(section)).lines[0]).toContain(
      'ota-bundler.update_agent_bundle.description names the image docker.io/library/x:1 without its digest',
    );
    await put('b.yaml', `${head}containers:\n  - spec: {name: c, imge: 'x:1'}\n`);
    expect((await problemsOf(section)).all).toContain('b.yaml:8:');
  });
});

describe('fields that do not go together', () => {
  it.each<[string, object, string]>([
    ['a key without a certificate', {sign_key: 'sign.key'}, 'sign_cert must be set when sign_key is'],
    ['a certificate without a key', {sign_cert: 'sign.pem'}, 'sign_key must be set when sign_cert is'],
    [
      'a legacy image without a key',
      {outputs: ['legacy']},
      'outputs must not name "legacy" without sign_key',
    ],
    [
      'a bundle without a description',
      {...signed, outputs: ['update_agent_bundle']},
      'update_agent_bundle must have a description',
    ],
    [
      'a layout that nobody reads',
      {update_agent_bundle: {layout: 'layout'}},
      'update_agent_bundle must name a layout exactly where images is "layout"',
    ],
    ['an output twice', {outputs: ['v1', 'v1']}, 'outputs must name each output once'],
    ['an ECU twice', {ecus: [{id: 'a'}, {id: 'a'}]}, 'ecus must name each ECU once'],
    [
      'a path that leaves the folder',
      {sign_key: '../key', sign_cert: 'sign.pem'},
      'sign_key must be a PEM file',
    ],
  ])('%s', async (_, section, message) => {
    await mkdir(join(folder, 'layout'));
    const {lines} = await problemsOf(section);
    expect(lines).toHaveLength(1);
    expect(lines[0]).toContain(`ota-bundler.${message}`);
  });
});
