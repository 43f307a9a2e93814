import {execFileSync} from 'node:child_process';
import {createHash} from 'node:crypto';
import {chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {beforeEach, describe, expect, it} from 'vitest';
import type {StepFile} from '../../../../api/components/step.ts';
import type {UpdateWork} from '../../../../api/components/update-work.ts';
import {inspectBundle} from '../../../../api/bundle/verify.ts';
import {FileTable, ImageReader, verifyResources, verifySignature} from '../../../../api/ota/image/index.ts';
import {LegacyImage} from '../../../../api/ota/legacy/legacy-image.ts';
import {verifyLegacyImage} from '../../../../api/ota/legacy/verify-legacy.ts';
import {makeUpdate} from '../../../../api/updates/make-update.ts';
import type {UpdateRequest} from '../../../../api/updates/update-request.ts';
import {readLocalTree} from '../../../../configs/local-tree.ts';
import {makeTree} from '../ota/write/rootfs-tree.ts';
import {makeTempFolder} from '../temp-folder.ts';
import {makeSigners, type Signers} from './signing-rig.ts';

const epoch = Math.floor(Date.now() / 1000) - 100;
const digestOf = (content: Buffer) => createHash('sha256').update(content).digest('hex');

let folder: string;
let signers: Signers;
let request: Omit<UpdateRequest, 'folder'>;
const notices: string[] = [];

beforeEach(async () => {
  folder = await makeTempFolder();
  signers = await makeSigners();
  notices.length = 0;
  const {leaf, middle, root, key} = signers;
  mkdirSync(join(folder, 'ca'));
  writeFileSync(join(folder, 'ca/test.root.pem'), root.pem);
  writeFileSync(join(folder, 'ca/test.middle.pem'), middle.pem);
  request = {
    inputs: {card: await makeCard(), kernel: makeKernel()},
    files: [],
    signing: {key, certificate: leaf.pem, intermediates: [middle.pem]},
    epoch,
    onProgress: () => undefined,
    onNotice: (message) => notices.push(message),
    signal: new AbortController().signal,
  };
});

/** A file system with the oddities that a format can lose. */
async function makeCard() {
  const root = await makeTree(folder);
  mkdirSync(join(root, 'boot/firmware'), {recursive: true});
  mkdirSync(join(root, 'usr/sbin'), {recursive: true});
  const path = join(folder, 'card.img');
  execFileSync('mke2fs', ['-q', '-t', 'ext4', '-d', root, path, '16M'], {
    env: {...process.env, PATH: `${process.env['PATH']}:/usr/sbin:/sbin`},
  });
  return {path, name: 'x.img', sha256: digestOf(readFileSync(path))};
}

/** What the build image of ota-bundler makes. */
function makeKernel(): string {
  const root = join(folder, 'kernel');
  mkdirSync(join(root, 'boot'), {recursive: true});
  mkdirSync(join(root, 'usr/sbin'), {recursive: true});
  writeFileSync(join(root, 'boot/vmlinuz-6.12'), 'kernel '.repeat(1000));
  writeFileSync(join(root, 'usr/sbin/flash-kernel'), '#!/bin/sh\n'.repeat(10));
  chmodSync(join(root, 'usr/sbin/flash-kernel'), 0o755);
  const tar = join(folder, 'kernel.tar');
  execFileSync('tar', ['-cf', tar, '-C', root, '.']);
  return tar;
}

let runs = 0;

/** Makes an output in a folder of its own and gives that. */
async function make(work: UpdateWork, more: Partial<UpdateRequest> = {}): Promise<string> {
  const output = join(folder, `output ${runs++}`);
  mkdirSync(output);
  const names = await makeUpdate(work, {...request, ...more, folder: output});
  for (const name of names.filter((one) => one.endsWith('.sha256'))) {
    const of = name.slice(0, -'.sha256'.length);
    expect(readFileSync(join(output, name), 'utf8')).toBe(
      `${digestOf(readFileSync(join(output, of)))}  ${of}\n`,
    );
  }
  return output;
}

const image: UpdateWork = {
  kind: 'image',
  artifact: 'a.zip',
  ecus: [{id: 'main'}, {id: 'second'}],
  releaseKey: 'prd',
  annotations: {
    'vnd.tier4.image.base-image': 'debian:trixie',
    'vnd.tier4.pilot-auto.platform.ecu.architecture': 'aarch64',
  },
  skipBundle: false,
  skipCompression: false,
  skipSlice: false,
};

describe('an OTA image', () => {
  it('has the root file system of the card and the kernel, for every ECU, and nothing of mke2fs', async () => {
    const output = await make(image);
    await using reader = await ImageReader.open(join(output, 'a.zip'));
    for (const ecuId of ['main', 'second']) {
      const {layers} = await reader.manifest(reader.payload(ecuId, 'prd'));
      await using table = await FileTable.open(reader.source, layers[0]);
      const paths = [...table.regulars()].map(({path}) => path);
      expect(paths).toEqual(
        expect.arrayContaining(['/boot/vmlinuz-6.12', '/usr/sbin/flash-kernel', '/text']),
      );
      expect([...table.directories()].map(({path}) => path)).not.toContain('/lost+found');
    }
    expect((await verifyResources(reader)).isSound).toBe(true);
  });

  it('is signed so that it leads to the root', async () => {
    await using reader = await ImageReader.open(join(await make(image), 'a.zip'));
    expect(await verifySignature(reader, {caFolder: join(folder, 'ca')})).toMatchObject({isTrusted: true});
  });

  it('is the same, byte for byte, when it is made again', async () => {
    const [a, b] = [await make(image), await make(image)];
    for (const name of ['a.zip', 'update.json']) {
      expect(readFileSync(join(a, name)).equals(readFileSync(join(b, name)))).toBe(true);
    }
  });

  it('has a record of what it belongs to, without anything of the key', async () => {
    const record = readFileSync(join(await make(image), 'update.json'), 'utf8');
    expect(JSON.parse(record)).toMatchObject({
      image: {name: 'x.img', sha256: request.inputs.card?.sha256},
      ecu_ids: ['main', 'second'],
      release_key: 'prd',
      signed: {certificate: 'CN=sign'},
    });
    expect(record).not.toContain('BEGIN');
  });

  it('is made without a key, too, and its record says so', async () => {
    const output = await make(image, {signing: undefined});
    expect(JSON.parse(readFileSync(join(output, 'update.json'), 'utf8'))).toMatchObject({signed: false});
    await using reader = await ImageReader.open(join(output, 'a.zip'));
    expect(reader.isSigned).toBe(false);
  });
});

describe('a legacy image', () => {
  it('is a tar that leads to its root, and has what the card has', async () => {
    const output = await make({kind: 'legacy', artifact: 'legacy.tar'});
    await using legacy = await LegacyImage.open(join(output, 'legacy.tar'));
    expect(await verifyLegacyImage(legacy, {caFolder: join(folder, 'ca')})).toMatchObject({
      environment: 'test',
    });
    const lines = await legacy.regulars();
    const linked = lines.filter(({path}) => ['/text', '/hard link'].includes(path));
    expect(linked.map(({inode, linksCount}) => [inode, linksCount])).toEqual([
      ['1', 2],
      ['1', 2],
    ]);
    expect(lines.find(({path}) => path === '/suid')?.mode).toBe(0o6755);
    const listing = execFileSync('tar', ['-tvf', join(output, 'legacy.tar')], {encoding: 'utf8'});
    expect(listing).toMatch(/-rwsr-sr-x .* \.\/data\/suid$/m);
  });

  it('is the same, byte for byte, when it is made again', async () => {
    const [a, b] = await Promise.all([0, 1].map(() => make({kind: 'legacy', artifact: 'legacy.tar'})));
    expect(readFileSync(join(a ?? '', 'legacy.tar')).equals(readFileSync(join(b ?? '', 'legacy.tar')))).toBe(
      true,
    );
  });
});

it.each([image, {kind: 'legacy', artifact: 'a.zip'} as const])(
  'an offline bundle packs what its input holds',
  async (work) => {
    const input = join(await make(work), 'a.zip');
    const ecuIds = ['main', 'second'];
    const offline: UpdateWork = {kind: 'offline', artifact: 'o.tar', image: 'a.zip', ecuIds, version: 'v2'};
    const output = await make(offline, {inputs: {image: input}});
    const manifest = execFileSync('tar', ['-xOf', join(output, 'o.tar'), './manifest.json'], {
      encoding: 'utf8',
    });
    expect(JSON.parse(manifest)).toMatchObject({
      build_timestamp: epoch,
      image_meta: ecuIds.map((ecu_id) => ({ecu_id, image_version: 'v2'})),
    });
  },
);

describe('an update-agent bundle', () => {
  const description = `apiVersion: v1\nid: b\nname: b\nversion: 1.0.0\ntype: base\nkukaLinuxVersion: '*'\ncontainers:\n  - spec: {name: c, image: 'x:1'}\n`;

  async function fileOf(path: string, content: string): Promise<StepFile> {
    mkdirSync(join(folder, 'project'), {recursive: true});
    const name = path.split('/').at(-1) ?? '';
    writeFileSync(join(folder, 'project', name), content);
    return {path, field: 'ota-bundler', tree: await readLocalTree(join(folder, 'project'), name, 'file')};
  }

  it('is signed, and leaves nothing beside the description', async () => {
    const files = [await fileOf('description/b.yaml', description), await fileOf('files/eula.txt', 'x')];
    const output = await make({kind: 'agent-bundle', images: 'none'}, {files, inputs: {}});
    const report = await inspectBundle(join(output, 'b_1.0.0.bundle'), signers.leaf.certificate.publicKey);
    expect(report.problems).toEqual([]);
    expect(report.signatures).toEqual([{name: 'b.yaml', status: 'valid'}]);
    expect(readdirSync(join(folder, 'project')).sort()).toEqual(['b.yaml', 'eula.txt']);
  });
});
