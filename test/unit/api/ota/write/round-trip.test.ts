import {
  chmodSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import {join} from 'node:path';
import fc from 'fast-check';
import {expect, it} from 'vitest';
import {buildOtaImage, deployImage, ImageReader} from '../../../../../api/ota/image/index.ts';
import {makeTempFolder} from '../../temp-folder.ts';

interface Node {
  readonly kind: 'file' | 'folder' | 'link' | 'hard link';
  readonly name: string;
  readonly mode: number;
  readonly bytes: Uint8Array;
  /** How often the bytes are repeated: sizes on both sides of every limit. */
  readonly times: number;
}

const node: fc.Arbitrary<Node> = fc.record({
  kind: fc.constantFrom('file', 'file', 'file', 'folder', 'link', 'hard link'),
  name: fc
    .string({minLength: 1, maxLength: 12, unit: 'binary'})
    .filter((name) => /^[^/\0]+$/.test(name) && !/^\.\.?$/.test(name)),
  mode: fc.constantFrom(0o644, 0o600, 0o4755, 0o2755, 0o666, 0o000),
  bytes: fc.uint8Array({maxLength: 70}),
  times: fc.constantFrom(1, 1, 30, 300, 600),
});

/** Everything that a format without time stamps keeps of a tree. */
function describeTree(root: string): Record<string, unknown> {
  const found: Record<string, unknown> = {};
  const walk = (path: string): void => {
    const {mode, uid, gid, nlink} = lstatSync(root + path);
    const type = mode & 0o170_000;
    const common = {mode: type === 0o120_000 ? undefined : mode, uid, gid};
    if (type === 0o040_000) found[path] = common;
    else if (type === 0o120_000) found[path] = {...common, target: readlinkSync(root + path)};
    else found[path] = {...common, nlink, content: readFileSync(root + path).toString('base64')};
    if (type === 0o040_000) for (const name of readdirSync(root + path)) walk(`${path}/${name}`);
  };
  walk('');
  return found;
}

function makeTree(root: string, nodes: readonly Node[]): void {
  mkdirSync(root);
  let folder = root;
  let file: string | undefined;
  const names = new Set<string>();
  for (const {kind, name, mode, bytes, times} of nodes) {
    const path = join(folder, name);
    if (names.has(path)) continue;
    names.add(path);
    if (kind === 'folder') mkdirSync((folder = path));
    else if (kind === 'link') symlinkSync(`../${name} 'of' "${mode}"`, path);
    else if (kind === 'hard link' && file !== undefined) linkSync(file, path);
    else {
      writeFileSync(path, Buffer.concat(Array.from({length: times}, () => bytes)));
      chmodSync(path, mode);
      file = path;
    }
  }
}

it('deploys any tree as it was', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(node, {maxLength: 12}), async (nodes) => {
      const folder = await makeTempFolder();
      const [tree, again, zip] = ['tree', 'again', 'x.zip'].map((name) => join(folder, name)) as [
        string,
        string,
        string,
      ];
      makeTree(tree, nodes);
      const annotations = {
        'vnd.tier4.image.base-image': 'x',
        'vnd.tier4.pilot-auto.platform.ecu.architecture': 'aarch64',
        'vnd.tier4.ota.release-key': 'dev',
      };
      await buildOtaImage({
        rootfs: tree,
        ecus: [{ecuId: 'main'}],
        annotations,
        output: zip,
        workers: 0,
        created: 1,
      });
      await using image = await ImageReader.open(zip);
      await deployImage(image, {ecuId: 'main', rootfsDir: again, workers: 0});
      expect(describeTree(again)).toEqual(describeTree(tree));
    }),
    // A tree that once came back wrong is kept by its seed and path here.
    {numRuns: 8},
  );
});
