import {mkdirSync, readFileSync, writeFileSync} from 'node:fs';
import {dirname, join} from 'node:path';
import {describe, expect, it} from 'vitest';
import {deployImage} from '../../../../../api/ota/image/deploy/deploy-image.ts';
import {keys} from '../../../../../api/ota/image/model/annotation-keys.ts';
import {ImageConfig} from '../../../../../api/ota/image/model/image-config.ts';
import {ImageIndex} from '../../../../../api/ota/image/model/image-index.ts';
import {ImageManifest} from '../../../../../api/ota/image/model/image-manifest.ts';
import {readDocument, writeDocument} from '../../../../../api/ota/image/model/json-document.ts';
import {FileTable} from '../../../../../api/ota/image/read/file-table.ts';
import {ImageReader} from '../../../../../api/ota/image/read/image-reader.ts';
import {readBlob} from '../../../../../api/ota/image/read/read-file.ts';
import {verifyResources} from '../../../../../api/ota/image/verify/verify-resources.ts';
import {verifySignature} from '../../../../../api/ota/image/verify/verify-signature.ts';
import {makeTempFolder} from '../../temp-folder.ts';
import {listTree, sample} from './image-rig.ts';
import {readTree, type TreeEntry} from './read-tree.ts';

const artifact = join(sample, 'main-dev.zip');

/** The same image as a folder. */
async function unpack(): Promise<string> {
  const folder = join(await makeTempFolder(), 'image');
  await using image = await ImageReader.open(artifact);
  for (const path of image.source.files()?.keys() ?? []) {
    const pieces: Uint8Array[] = [];
    for await (const piece of (await image.source.read(path, Infinity)) ?? []) pieces.push(piece);
    mkdirSync(dirname(join(folder, path)), {recursive: true});
    writeFileSync(join(folder, path), Buffer.concat(pieces));
  }
  return folder;
}

describe.each([
  ['artifact', () => Promise.resolve(artifact)],
  ['folder', unpack],
])('the image of the reference, as %s', (_kind, locate) => {
  it('has one payload, with the counts that its labels promise', async () => {
    await using image = await ImageReader.open(await locate());
    expect(image.payloads.map(({ecuId, releaseKey}) => [ecuId, releaseKey])).toEqual([['main', 'dev']]);
    const manifest = await image.manifest(image.payload('main'));
    const {labels} = await image.config(manifest);
    await using files = await FileTable.open(image.source, manifest.layers[0]);
    expect([...files.directories()]).toHaveLength(labels[keys.dirsCount]);
    expect([...files.regulars()]).toHaveLength(labels[keys.regularFilesCount]);
    expect([...files.nonRegulars()]).toHaveLength(labels[keys.nonRegularFilesCount]);
    expect([...files.resources()]).toHaveLength(labels[keys.uniqueFilesCount]);
  });

  it('has documents that we would write byte for byte', async () => {
    await using image = await ImageReader.open(await locate());
    expect(writeDocument(ImageIndex, readDocument(ImageIndex, image.indexBytes, ''))).toEqual(
      image.indexBytes,
    );
    const payload = image.payload('main');
    const manifest = await image.manifest(payload);
    expect(writeDocument(ImageManifest, manifest)).toEqual(await readBlob(image.source, payload.descriptor));
    expect(writeDocument(ImageConfig, await image.config(manifest))).toEqual(
      await readBlob(image.source, manifest.config),
    );
  });

  it('is signed by a chain that ends at the root of its CA folder', async () => {
    await using image = await ImageReader.open(await locate());
    const {chain, isTrusted} = await verifySignature(image, {caFolder: join(sample, 'ca')});
    expect(isTrusted).toBe(true);
    expect(chain.map((subject) => /CN=(\w+)/.exec(subject)?.[1])).toEqual(['sign', 'intermediate', 'root']);
  });

  it.each([0, 2])('has sound blobs, read by %i further threads', async (workers) => {
    await using image = await ImageReader.open(await locate());
    const report = await verifyResources(image, {workers});
    expect(report).toMatchObject({
      blobs: 11,
      bytes: 159495,
      broken: [],
      problems: [],
      unused: [],
      isSound: true,
    });
  });

  it.each([0, 2])(
    'deploys to exactly the tree that went in, written by %i further threads',
    async (workers) => {
      const parent = await makeTempFolder();
      const rootfsDir = join(parent, 'root');
      const umask = process.umask(0o077);
      try {
        await using image = await ImageReader.open(await locate());
        await deployImage(image, {ecuId: 'main', rootfsDir, workers});
      } finally {
        process.umask(umask);
      }
      const wanted = (JSON.parse(readFileSync(join(sample, 'tree.json'), 'utf8')) as TreeEntry[]).filter(
        (entry) => entry['dropped_by_format'] !== true,
      );
      expect(readTree(rootfsDir)).toEqual(new Map(wanted.map((entry) => [entry.path, entry])));
      expect(listTree(parent).filter((name) => !name.startsWith('root'))).toEqual([]);
    },
  );
});
