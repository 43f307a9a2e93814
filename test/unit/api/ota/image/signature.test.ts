import {sign, type KeyObject} from 'node:crypto';
import {mkdirSync, readFileSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {beforeAll, describe, expect, it} from 'vitest';
import {keys} from '../../../../../api/ota/image/model/annotation-keys.ts';
import {ImageReader} from '../../../../../api/ota/image/read/image-reader.ts';
import {sha256Hex} from '../../../../../api/ota/image/model/digest.ts';
import {verifySignature} from '../../../../../api/ota/image/verify/verify-signature.ts';
import {makeTempFolder} from '../../temp-folder.ts';
import {issue, now, type Issued} from '../signing/certificates.ts';
import {writeIndex} from './image-rig.ts';

let root: Issued;
let leaf: Issued;
let leaf384: Issued;

beforeAll(async () => {
  root = await issue({name: 'root', ca: {}});
  leaf = await issue({name: 'leaf', issuer: root});
  leaf384 = await issue({name: 'leaf384', issuer: root, curve: 'P-384'});
});

const base64url = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
const der = ({certificate}: Issued) => certificate.x509.raw.toString('base64');
const seconds = now.getTime() / 1000;

interface JwtChange {
  readonly header?: object;
  readonly payload?: object;
  readonly key?: KeyObject;
  readonly text?: (jwt: string) => string;
}

/** An image folder with a signed index, a CA folder beside it, and what the test changes. */
async function verify({header, payload, key = leaf.privateKey, text = (jwt) => jwt}: JwtChange = {}) {
  const folder = await makeTempFolder();
  mkdirSync(join(folder, 'image/blobs/sha256'), {recursive: true});
  mkdirSync(join(folder, 'ca'));
  writeFileSync(join(folder, 'ca/root.pem'), root.pem);
  writeFileSync(join(folder, 'image/oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
  writeIndex(join(folder, 'image'), [], {[keys.signedAt]: seconds});
  const index = readFileSync(join(folder, 'image/index.json'));
  const claims = {iat: seconds, image_index: {size: index.length, digest: `sha256:${sha256Hex(index)}`}};
  const signed = `${base64url({alg: 'ES256', typ: 'JWT', x5c: [der(leaf)], ...header})}.${base64url({...claims, ...payload})}`;
  const signature = sign('sha256', Buffer.from(signed), {key, dsaEncoding: 'ieee-p1363'});
  writeFileSync(join(folder, 'image/index.jwt'), text(`${signed}.${signature.toString('base64url')}`));
  await using image = await ImageReader.open(join(folder, 'image'));
  return await verifySignature(image, {caFolder: join(folder, 'ca'), now});
}

it('accepts what is signed as it should be', async () => {
  expect(await verify()).toMatchObject({chain: ['CN=leaf', 'CN=root'], isTrusted: true});
});

it('accepts padding, a missing iat and typ, and further claims, as the reference does', async () => {
  const change = {header: {typ: undefined}, payload: {iat: undefined, build: 'nightly'}};
  expect(await verify({...change, text: (jwt) => `${jwt}==`})).toMatchObject({isTrusted: true});
});

describe('refuses', () => {
  it.each<[string, () => JwtChange, RegExp]>([
    [
      'alg none',
      () => ({header: {alg: 'none'}, text: (jwt) => jwt.replace(/[^.]*$/, '')}),
      /not base64url|alg/,
    ],
    ['alg none with a signature', () => ({header: {alg: 'none'}}), /alg must be ES256/],
    [
      'another algorithm',
      () => ({header: {alg: 'ES384', x5c: [der(leaf384)]}, key: leaf384.privateKey}),
      /alg/,
    ],
    ['a key on another curve', () => ({header: {x5c: [der(leaf384)]}, key: leaf384.privateKey}), /ES256 key/],
    ['a signature by another key', () => ({key: root.privateKey}), /not made with/],
    ['no certificate', () => ({header: {x5c: []}}), /x5c/],
    ['an unknown critical header', () => ({header: {crit: ['b64'], b64: false}}), /crit/],
    ['an iat in the future', () => ({payload: {iat: seconds + 60}}), /from the future/],
    ['an nbf in the future', () => ({payload: {nbf: seconds + 60}}), /from the future/],
    ['an exp in the past', () => ({payload: {exp: seconds - 1}}), /expired/],
    ['a receiver', () => ({payload: {aud: 'somebody'}}), /receiver/],
    ['a final newline', () => ({text: (jwt) => `${jwt}\n`}), /base64url/],
    ['two parts', () => ({text: (jwt) => jwt.slice(0, jwt.lastIndexOf('.'))}), /three parts/],
    [
      'the digest of another index',
      () => ({payload: {image_index: {size: 3, digest: `sha256:${'0'.repeat(64)}`}}}),
      /index.json is not the one/,
    ],
  ])('%s', async (_what, change, message) => {
    await expect(verify(change())).rejects.toMatchObject({
      code: 'SIGNATURE_INVALID',
      message: expect.stringMatching(message) as string,
    });
  });

  it('a certificate that nobody trusts', async () => {
    const stranger = await issue({name: 'stranger', issuer: await issue({name: 'elsewhere', ca: {}})});
    await expect(verify({header: {x5c: [der(stranger)]}, key: stranger.privateKey})).rejects.toMatchObject({
      code: 'CHAIN_INVALID',
    });
  });
});

describe('a CA folder is refused', () => {
  it.each<[string, (folder: string) => void]>([
    ['that is empty', () => undefined],
    [
      'with a key in it',
      (folder) =>
        writeFileSync(join(folder, 'key.pem'), leaf.privateKey.export({type: 'pkcs8', format: 'pem'})),
    ],
    ['with something else in it', (folder) => writeFileSync(join(folder, 'README'), 'certificates')],
    [
      'with two certificates in one file',
      (folder) => writeFileSync(join(folder, 'a.pem'), root.pem + '\n' + leaf.pem),
    ],
  ])('%s', async (_what, fill) => {
    const folder = await makeTempFolder();
    fill(folder);
    const {readCaFolder} = await import('../../../../../api/ota/signing/ca-folder.ts');
    await expect(readCaFolder(folder)).rejects.toMatchObject({code: 'CA_FOLDER_INVALID'});
  });
});
