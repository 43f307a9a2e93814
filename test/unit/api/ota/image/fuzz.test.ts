import fc from 'fast-check';
import {readFileSync} from 'node:fs';
import {Readable} from 'node:stream';
import {fileURLToPath} from 'node:url';
import {describe, expect, it} from 'vitest';
import {ImageConfig} from '../../../../../api/ota/image/model/image-config.ts';
import {ImageIndex} from '../../../../../api/ota/image/model/image-index.ts';
import {ImageManifest} from '../../../../../api/ota/image/model/image-manifest.ts';
import {IndexClaims} from '../../../../../api/ota/image/model/index-claims.ts';
import {fileTableDdl} from '../../../../../api/ota/image/model/file-table.ts';
import {decodeFilter} from '../../../../../api/ota/image/model/filter.ts';
import {readDocument} from '../../../../../api/ota/image/model/json-document.ts';
import {OtaclientManifest, ReleaseManifest} from '../../../../../api/ota/image/model/otaclient-package.ts';
import {resourceTableDdl} from '../../../../../api/ota/image/model/resource-table.ts';
import {decodeXattrs} from '../../../../../api/ota/image/model/xattrs.ts';
import {FileTable} from '../../../../../api/ota/image/read/file-table.ts';
import {ResourceTable} from '../../../../../api/ota/image/read/resource-table.ts';
import {planContent} from '../../../../../api/ota/image/content/content-plan.ts';
import {parseAnnotations} from '../../../../../api/ota/image/write/annotation-file.ts';
import {decompressStream} from '../../../../../api/ota/image/zstd/decompress-stream.ts';
import {decompressWhole} from '../../../../../api/ota/image/zstd/decompress.ts';
import {parseMetadataToken} from '../../../../../api/ota/legacy/metadata-jwt.ts';
import {
  parseDirectory,
  parseLines,
  parsePersistent,
  parseRegular,
  parseSymlink,
} from '../../../../../api/ota/legacy/text-files.ts';
import {OtaError} from '../../../../../api/ota/ota-error.ts';
import {parseCompactJws} from '../../../../../api/ota/signing/compact-jws.ts';
import {readDer} from '../../../../../api/ota/signing/der.ts';
import {makeTempFolder} from '../../temp-folder.ts';
import {compress, makeDatabase} from './image-rig.ts';

const corpusFolder = new URL('../../../../fixtures/ota-corpus/', import.meta.url);
const samples = new URL('../../../../fixtures/', import.meta.url);

/** One input that once was, or nearly was, read wrongly. `hex`, or `text` as UTF-8, `times` often. */
interface Kept {
  readonly why: string;
  readonly hex?: string;
  readonly text?: string;
  readonly times?: number;
}

interface Parser {
  /** Named like the file of its corpus. */
  readonly name: string;
  readonly parse: (bytes: Buffer) => unknown;
  /** What is changed here and there; it is read without an error. */
  readonly seed: () => Buffer | Promise<Buffer>;
  readonly runs?: number;
}

const text = (bytes: Buffer) => bytes.toString('utf8');
const json = (value: unknown) => () => Buffer.from(JSON.stringify(value));
const descriptor = {size: 1, digest: `sha256:${'a'.repeat(64)}`};
const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');

async function readFileTable(bytes: Buffer): Promise<void> {
  await using table = await FileTable.fromBytes(bytes);
  for (const rows of [table.directories(), table.nonRegulars(), table.regulars(), table.resources()])
    for (const _row of rows);
}

async function readResourceTable(bytes: Buffer): Promise<void> {
  const table = await ResourceTable.fromBytes(bytes);
  for (const row of table.rows) planContent(table, row);
}

async function readFrame(bytes: Buffer): Promise<void> {
  const size = {atMost: 1_000_000};
  if (decompressWhole(bytes, size, 'x') !== undefined) return;
  for await (const _piece of decompressStream(Readable.from([bytes]), size, 'x'));
}

const parsers: readonly Parser[] = [
  {
    name: 'index',
    parse: (bytes) => readDocument(ImageIndex, bytes, 'x'),
    seed: () => readFileSync(new URL('ota-corpus/index.seed.json', samples)),
  },
  {
    name: 'manifest',
    parse: (bytes) => readDocument(ImageManifest, bytes, 'x'),
    seed: json({
      config: {...descriptor, mediaType: 'application/vnd.tier4.ota.file-based-ota-image.config.v1+json'},
      layers: [
        {
          ...descriptor,
          mediaType: 'application/vnd.tier4.ota.file-based-ota-image.file_table.v1.sqlite3+zstd',
        },
      ],
      annotations: {
        'vnd.tier4.pilot-auto.platform.ecu': 'main',
        'vnd.tier4.ota.release-key': 'dev',
        'vnd.tier4.pilot-auto.platform.ecu.architecture': 'aarch64',
      },
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
    }),
  },
  {name: 'config', parse: (bytes) => readDocument(ImageConfig, bytes, 'x'), seed: json({})},
  {
    name: 'claims',
    parse: (bytes) => readDocument(IndexClaims, bytes, 'x'),
    seed: json({image_index: descriptor}),
  },
  {name: 'otaclient-manifest', parse: (bytes) => readDocument(OtaclientManifest, bytes, 'x'), seed: json({})},
  {name: 'release-manifest', parse: (bytes) => readDocument(ReleaseManifest, bytes, 'x'), seed: json({})},
  {
    name: 'annotations',
    parse: (bytes) => parseAnnotations(text(bytes), 'x'),
    seed: () => Buffer.from('a: 1\nb: [c]\n'),
  },
  {
    name: 'jwt',
    parse: (bytes) => parseCompactJws(text(bytes), 'x'),
    seed: () => Buffer.from(`${part({alg: 'ES256', x5c: ['MIIB']})}.${part({image_index: descriptor})}.c2ln`),
  },
  {
    name: 'legacy-jwt',
    parse: (bytes) => parseMetadataToken(text(bytes)),
    seed: () => readFileSync(new URL('ota-corpus/metadata.seed.jwt', samples)),
  },
  {
    name: 'legacy-lists',
    parse: (bytes) => {
      const lists: readonly ((line: string) => unknown)[] = [
        parseDirectory,
        parseSymlink,
        parseRegular,
        parsePersistent,
      ];
      for (const parse of lists) refusedOrRead(() => parseLines(text(bytes), parse));
    },
    seed: () =>
      Buffer.from(
        `0644,0,0,1,${'f5'.repeat(32)},'/opt/it'\\''s "x".txt',180,,\n0777,0,0,'/a','b,'\\''c'\n0755,0,0,'/d'\n'/p'`,
      ),
  },
  {name: 'filter', parse: decodeFilter, seed: () => Buffer.from('733a92cd014ecd014f', 'hex')},
  {
    name: 'xattrs',
    parse: decodeXattrs,
    seed: () => Buffer.from('81ad757365722e6f74612e74657374c40676616c756531', 'hex'),
  },
  {name: 'der', parse: readDer, seed: () => Buffer.from('3006020101020102', 'hex')},
  {
    name: 'zstd',
    parse: readFrame,
    seed: () => compress(Buffer.from('some text, and some text again, and more text '.repeat(20))),
  },
  {
    name: 'file-table',
    parse: readFileTable,
    seed: async () =>
      makeDatabase(await makeTempFolder(), fileTableDdl, (database) => {
        database.run('INSERT INTO ft_resource VALUES (0, ?, 5, ?)', [
          Buffer.alloc(32, 1),
          Buffer.from('bytes'),
        ]);
        database.run(
          'INSERT INTO ft_inode VALUES (1, 0, 0, 16877, NULL, NULL), (2, 0, 0, 33188, NULL, NULL)',
        );
        database.run(`INSERT INTO ft_dir VALUES ('/', 1)`);
        database.run(`INSERT INTO ft_regular VALUES ('/a', 2, 0)`);
      }),
    runs: 25,
  },
  {
    name: 'resource-table',
    parse: readResourceTable,
    seed: async () =>
      makeDatabase(await makeTempFolder(), resourceTableDdl, (database) => {
        database.run('INSERT INTO rs_manifest VALUES (1, ?, 5, NULL, NULL)', [Buffer.alloc(32, 1)]);
        database.run('INSERT INTO rs_manifest VALUES (2, ?, 9, ?, NULL)', [
          Buffer.alloc(32, 2),
          Buffer.from('633a9201a47a737464', 'hex'),
        ]);
      }),
    runs: 25,
  },
];

/** What is not an {@link OtaError} goes on. */
function refusedOrRead(parse: () => unknown): void {
  try {
    parse();
  } catch (error) {
    expect(error).toBeInstanceOf(OtaError);
  }
}

async function refusedOrReadAsync(parse: () => unknown): Promise<void> {
  const error: unknown = await Promise.resolve()
    .then(parse)
    .then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
  if (error !== undefined) expect(error).toBeInstanceOf(OtaError);
}

function keptInputs(name: string): readonly (readonly [string, Buffer])[] {
  const file = fileURLToPath(new URL(`${name}.json`, corpusFolder));
  const kept = JSON.parse(readFileSync(file, 'utf8')) as readonly Kept[];
  return kept.map(({why, hex, text: said = '', times = 1}) => {
    const bytes = hex === undefined ? Buffer.from(said.repeat(times)) : Buffer.from(hex.repeat(times), 'hex');
    return [why, bytes] as const;
  });
}

/** Some bytes other, some cut out, some twice. */
const change = fc.record({
  how: fc.constantFrom('set', 'set', 'cut', 'repeat'),
  at: fc.double({min: 0, max: 1, maxExcluded: true, noNaN: true}),
  length: fc.integer({min: 1, max: 40}),
  value: fc.integer({min: 0, max: 255}),
});

describe.each(parsers)('a parser: $name', ({name, parse, seed, runs = 100}) => {
  it('refuses every kept input, and does not crash', async () => {
    const kept = keptInputs(name);
    expect(kept.length).toBeGreaterThan(0);
    for (const [why, bytes] of kept) {
      const outcome = await Promise.resolve()
        .then(() => parse(bytes))
        .then(
          () => 'read',
          (error: unknown) => error,
        );
      // The lists are tried with four parsers, and each tells by itself.
      if (name !== 'legacy-lists') expect(outcome, why).toBeInstanceOf(OtaError);
    }
  });

  it('reads or refuses whatever is made of a sound input', async () => {
    const sound = await seed();
    await fc.assert(
      fc.asyncProperty(fc.array(change, {minLength: 1, maxLength: 4}), async (changes) => {
        let bytes = Buffer.from(sound);
        for (const {how, at, length, value} of changes) {
          const start = Math.floor(at * bytes.length);
          if (how === 'set') bytes[start] = value;
          else if (how === 'cut')
            bytes = Buffer.concat([bytes.subarray(0, start), bytes.subarray(start + length)]);
          else bytes = Buffer.concat([bytes.subarray(0, start + length), bytes.subarray(start)]);
        }
        await refusedOrReadAsync(() => parse(bytes));
      }),
      // A found input goes to test/fixtures/ota-corpus, with what was wrong.
      {numRuns: runs},
    );
  });
});
