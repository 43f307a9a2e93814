import {writeFile} from 'node:fs/promises';
import {createServer} from 'node:http';
import {once} from 'node:events';
import type {AddressInfo} from 'node:net';
import {join} from 'node:path';
import fc from 'fast-check';
import {describe, expect, test} from 'vitest';
import {contentJsonSchema} from '../../../../api/content/config-schema.ts';
import {parseContentConfig, readContentConfig} from '../../../../api/content/read-config.ts';
import {ConfigError, formatConfigIssue} from '../../../../configs/config-error.ts';
import {SourceText} from '../../../../configs/source-text.ts';
import {makeTempFolder} from '../temp-folder.ts';

/** The sample of the document that the format comes from. */
const sample = `---
base: 1.0.0
output:
  size: 8G
oci_images:
- ghcr.io/offspot/kiwix-serve:dev
files:
- url: http://download.kiwix.org/zim/wikipedia_fr_test.zim
  to: /data/contents/zims/wikipedia_fr_test.zim
  via: direct
- to: /data/conf/message.txt
  content: |
    hello world
wite_config: true
offspot:
  timezone: Africa/Bamako
  ap:
    ssid: Kiwix Offspot
    as-gateway: true
    domain: demo
    tld: offspot
  containers:
    services:
      kiwix:
        container_name: kiwix
        image: ghcr.io/offspot/kiwix-serve:dev
        command: /bin/sh -c "kiwix-serve /data/*.zim"
        volumes:
          - "/data/contents/zims:/data:ro"
        ports:
          - "80:80"
`;

const parse = (text: string) => parseContentConfig(new SourceText('/c/image.yaml', text), {folder: '/c'});

function complaintsAbout(text: string): readonly string[] {
  try {
    parse(text);
    return [];
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.issues.map((issue) => formatConfigIssue(issue, '/c').split('\n')[0] ?? '');
  }
}

describe('the sample of the reference', () => {
  test('is taken as it is written', () => {
    const {config} = parse(sample);
    expect(config).toMatchObject({
      base: {source: {kind: 'release', version: '1.0.0', releases: 'https://drive.offspot.it/base/'}},
      outputBytes: 8_000_000_000,
      shrink: false,
      images: [
        {
          name: 'ghcr.io/offspot/kiwix-serve:dev',
          to: '/images/ghcr.io_offspot_kiwix-serve_dev_linuxarm64v8.tar',
        },
      ],
      files: [
        {to: '/contents/zims/wikipedia_fr_test.zim', via: 'direct'},
        // With its final newline.
        {to: '/conf/message.txt', source: {kind: 'content', bytes: Buffer.from('hello world\n')}},
      ],
    });
    expect(config.offspot).toMatchObject({timezone: 'Africa/Bamako', ap: {'as-gateway': true}});
  });

  test('has one slip, which is said', () => {
    expect(parse(sample).warnings.map((issue) => formatConfigIssue(issue, '/c').split('\n')[0])).toEqual([
      'image.yaml:14:1 wite_config is not known and has no effect, did you mean "write_config"?',
    ]);
  });
});

test('takes the shapes of the programs of today', () => {
  const {config} = parse(`
base:
  source: https://example.org/offspot-base-arm64-1.4.2.img
  rootfs_size: 3716153344
  checksum: {algo: md5, value: https://example.org/x.md5, kind: url}
output: {size: auto, compress: false}
oci_images:
- ident: ghcr.io/offspot/a/b/c:1.0@sha256:${'0'.repeat(64)}
  url: http://example.org/c.tar
  filesize: 5980160
  fullsize: 5944584
files:
- {url: https://example.org/a.zip, to: /data/contents/a, via: zip, size: 12MiB}
- {content: aGVsbG8=, via: base64, to: /data/b}
- {url: ./near.zim, to: /data/near.zim, checksum: {algo: sha-256, value: ${'A'.repeat(64)}}}
write_config: true
image-creator: {version: 1.1.5}
`);
  expect(config.base).toMatchObject({rootBytes: 3_716_153_344, checksum: {algorithm: 'md5', kind: 'url'}});
  expect(config.outputBytes).toBeUndefined();
  expect(config.images).toMatchObject([
    {tarBytes: 5_980_160, unpackedBytes: 5_944_584, url: 'http://example.org/c.tar'},
  ]);
  expect(config.files).toMatchObject([
    {to: '/contents/a', via: 'zip', sizeBytes: 12_582_912},
    {to: '/b', source: {bytes: Buffer.from('hello')}},
    {to: '/near.zim', source: {url: 'file:///c/near.zim'}, checksum: {value: 'a'.repeat(64)}},
    {field: 'write_config', to: '/conf/image.yaml'},
  ]);
});

test.each([
  ['base: 1.10.0', {kind: 'release', version: '1.10.0'}],
  ['base: {source: 10.0.0-rc1}', {kind: 'release', version: '10.0.0-rc1'}],
  [
    'base: {source: 1.2.1, releases: "http://127.0.0.1/r"}',
    {kind: 'release', releases: 'http://127.0.0.1/r/'},
  ],
  ['base: ./base.img', {kind: 'url', url: 'file:///c/base.img'}],
  ['base: {source: "file:///b/base.img.zst"}', {kind: 'url', url: 'file:///b/base.img.zst'}],
  ['base: {pipeline: ./configs.json}', {kind: 'pipeline', path: '/c/configs.json'}],
  // A suffix with what no version has is a path.
  ['base: 1.0.0/../x', {kind: 'url', url: 'file:///c/1.0.0/../x'.replace('1.0.0/../', '')}],
])('%s', (text, source) => {
  expect(parse(text).config.base.source).toMatchObject(source);
});

test('takes lists without entries for absent', () => {
  expect(parse('base: 1.0.0\nfiles:\noci_images:\noutput:\n').config).toMatchObject({files: [], images: []});
});

test.each([
  ['', 'image.yaml:1:1 the file is empty; it must at least say base'],
  ['- x', 'image.yaml:1:1 the file must be a map of fields, with base among them'],
  ['output: {}', 'image.yaml:1:1 base is missing'],
  [
    'base: 1.0',
    'image.yaml:1:7 base must be a version such as 1.2.1, or a map with source or pipeline, found 1',
  ],
  ['base: {}', 'image.yaml:1:1 base must have either source or pipeline'],
  ['base: 1.0.0\noutptu: {}', 'image.yaml:2:1 outptu is not known, did you mean "output"?'],
  [
    'base: 1.0.0\noutput: {size: 8Q}',
    'image.yaml:2:16 output.size must be a size such as 8G (decimal), 2.4GiB (binary) or 512, or auto, found "8Q"',
  ],
  [
    'base: 1.0.0\noutput: {size: -5}',
    'image.yaml:2:16 output.size must be a size such as 8G (decimal), 2.4GiB (binary) or 512, or auto, found -5',
  ],
  [
    'base: 1.0.0\noutput: {size: true}',
    'image.yaml:2:16 output.size must be a size such as 8G (decimal), 2.4GiB (binary) or 512, or auto, found true',
  ],
  [
    'base: {source: 1.0.0, rootsize: 5}',
    'image.yaml:1:23 base.rootsize is not known, did you mean "root_size"?',
  ],
  [
    'base: {source: "magnet:?xt=x"}',
    'image.yaml:1:16 base.source must be an address of http, https or file, or a path, found "magnet:?xt=x"',
  ],
  ['base: 1.0.0\nfiles: [{to: /data/x}]', 'image.yaml:2:10 files[0] must have either url or content'],
  ['base: 1.0.0\nfiles: [{url: x}]', 'image.yaml:2:10 files[0].to is missing'],
  [
    'base: 1.0.0\nfiles: [{url: x, to: /data/x, via: rar}]',
    'image.yaml:2:36 files[0].via must be one of direct, tar, gztar, bztar, xztar, zip, zstd, base64, found "rar"',
  ],
  [
    'base: 1.0.0\nfiles: [{content: x, to: /data/x, via: zip}]',
    'image.yaml:2:40 files[0].via must be direct or base64 for a content that is in the configuration, found "zip"',
  ],
  [
    'base: 1.0.0\nfiles: [{content: "a?", to: /data/x, via: base64}]',
    'image.yaml:2:19 files[0].content is not base64',
  ],
  [
    'base: 1.0.0\nfiles: [{url: x, to: /data/x, checksum: {algo: md5, value: abc}}]',
    'image.yaml:2:60 files[0].checksum.value must be 32 hex digits for md5, found "abc"',
  ],
  [
    'base: 1.0.0\noci_images: ["a b"]',
    'image.yaml:2:14 oci_images[0] must be the name of an image such as ghcr.io/offspot/kiwix-serve:dev, found "a b"',
  ],
  ['base: 1.0.0\noci_images: [{filesize: 5}]', 'image.yaml:2:15 oci_images[0] must have ident'],
])('%j is refused where it is wrong', (text, message) => {
  expect(complaintsAbout(text)).toEqual([message]);
});

describe('targets', () => {
  const files = (...targets: readonly string[]) =>
    complaintsAbout(
      `base: 1.0.0\nfiles:\n${targets.map((to) => `- {url: x, to: "${to}", via: tar}\n`).join('')}`,
    );

  test.each(['/etc/passwd', '/data/../etc/passwd', '/database/x', 'data/x', '/', ''])(
    '%j is outside',
    (to) => {
      expect(files(to)).toHaveLength(1);
    },
  );

  test('of plain files cannot be /data itself', () => {
    expect(complaintsAbout('base: 1.0.0\nfiles: [{content: x, to: /data/}]')).toHaveLength(1);
    expect(files('/data')).toEqual([]);
  });

  test('are compared as paths', () => {
    expect(files('/data/a', '/data/./a')).toEqual([
      'image.yaml:4:16 files[1].to is the same as that of files[0], found "/data/a"',
    ]);
    expect(files('/data/a', '/data/b/../a/')).toHaveLength(1);
    expect(files('/data/a', '/data/ab')).toEqual([]);
  });

  test('cannot lie in each other', () => {
    expect(files('/data/a', '/data/a/b')[0]).toContain('files[1].to lies in that of files[0]');
    expect(files('/data/a/b', '/data/a')[0]).toContain('files[1].to contains that of files[0]');
  });

  test('include those of images and of the configuration', () => {
    expect(
      complaintsAbout('base: 1.0.0\nwrite_config: true\nfiles: [{content: x, to: /data/conf/image.yaml}]')[0],
    ).toContain('is the same as that of write_config');
    expect(
      complaintsAbout('base: 1.0.0\noci_images: [a]\nfiles: [{url: x, via: zip, to: /data/images}]')[0],
    ).toContain('files[0].to contains that of oci_images[0]');
    expect(complaintsAbout('base: 1.0.0\noci_images: [a, "a:latest"]')[0]).toContain('oci_images[1]');
  });

  test('stay in /data whatever is written', () => {
    const part = fc.constantFrom('..', '.', 'a', 'b', '', 'data', '/');
    fc.assert(
      fc.property(fc.array(part, {maxLength: 8}), (parts) => {
        const to = `/data/${parts.join('/')}`;
        const text = `base: 1.0.0\nfiles: [{url: x, via: tar, to: "${to}"}]`;
        if (complaintsAbout(text).length > 0) return;
        const found = parse(text).config.files[0]?.to ?? '';
        expect(found).toMatch(/^\//);
        expect(found.split('/')).not.toContain('..');
      }),
    );
  });
});

test('a key that nobody knows hides no other mistake', () => {
  expect(complaintsAbout('bse: 1.2.1\nbase: 1.2.1\nfiles: [{to: /etc/x, content: x}]')).toEqual([
    expect.stringContaining('1:1 bse is not known'),
    expect.stringContaining('files[0].to must be a path in /data'),
  ]);
});

test('finds every mistake at once', () => {
  expect(
    complaintsAbout(`
bas: 1.0.0
output: {size: x}
files:
- {to: /data/x, via: rar}
`),
  ).toHaveLength(4);
});

test('a key that is there twice, and what is not YAML', () => {
  expect(complaintsAbout('base: 1.0.0\nbase: 1.1.0')[0]).toContain('image.yaml:2:1 duplicate key');
  expect(complaintsAbout('base: [')[0]).toMatch(/^image.yaml:1:\d+ not YAML/);
});

test('does not follow aliases without end', () => {
  const bomb = `base: 1.0.0\na: &a [x,x,x,x,x,x,x,x,x]\n${Array.from('bcdefghi')
    .map((name, index) => `${name}: &${name} [${`*${'abcdefgh'[index] ?? ''},`.repeat(9)}]`)
    .join('\n')}`;
  expect(complaintsAbout(bomb).length).toBeGreaterThan(0);
});

describe('a configuration', () => {
  test('is read from a file, with its text as it is', async () => {
    const file = join(await makeTempFolder(), 'image.yaml');
    const text = '# a comment\r\nbase: 1.0.0\n\n';
    await writeFile(file, text);
    expect(await readContentConfig(file)).toMatchObject({text, warnings: []});
  });

  test('is read from an address', async () => {
    const server = createServer((incoming, answer) => {
      if (incoming.url === '/moved') answer.writeHead(302, {location: '/image.yaml'}).end();
      else if (incoming.url === '/image.yaml') answer.end('base: 1.0.0\n');
      else answer.writeHead(404).end();
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const root = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    try {
      expect((await readContentConfig(`${root}/moved`)).config.base.source).toMatchObject({version: '1.0.0'});
      await expect(readContentConfig(`${root}/none`)).rejects.toThrow('the server answers 404');
    } finally {
      server.close();
    }
  });

  test('that is not there is an error', async () => {
    await expect(readContentConfig('/nowhere/image.yaml')).rejects.toThrow('does not exist');
  });
});

test('has a JSON Schema with a description at every field', () => {
  const schema = contentJsonSchema() as {
    properties: Record<string, {description?: string}>;
    required: string[];
  };
  expect(schema.required).toEqual(['base']);
  expect(Object.entries(schema.properties).filter(([, {description}]) => description === undefined)).toEqual(
    [],
  );
});
