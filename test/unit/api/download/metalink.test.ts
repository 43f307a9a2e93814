import {readFile} from 'node:fs/promises';
import fc from 'fast-check';
import {describe, expect, it} from 'vitest';
import {MetalinkError, parseMetalink} from '../../../../api/download/metalink.ts';
import {answer, serve} from './file-server.ts';
import {makeRig, noise, sha256} from './rig.ts';

const content = noise(100_000);
const hash = sha256(content);

const version4 = (
  urls: readonly string[],
  digest = hash,
  size = content.length,
) => `<?xml version="1.0" encoding="UTF-8"?>
<metalink xmlns="urn:ietf:params:xml:ns:metalink">
  <generator>MirrorBrain</generator>
  <file name="a.zim">
    <size>${size}</size>
    <hash type="md5">${'0'.repeat(32)}</hash>
    <hash type="sha-256">${digest}</hash>
    <pieces length="4194304" type="sha-1"><hash>${'1'.repeat(40)}</hash></pieces>
    <url location="de" priority="2">ftp://example.org/a.zim</url>
    ${urls.map((url, index) => `<url location="de" priority="${urls.length - index}">${url}</url>`).join('\n')}
  </file>
</metalink>`;

const version3 = `<metalink version="3.0" xmlns="http://www.metalinker.org/"><files><file name="a.zim">
  <size>5</size><verification><hash type="sha1">${'2'.repeat(40)}</hash></verification>
  <resources><url type="http" preference="10">http://b.org/a.zim</url><url type="http" preference="90"><![CDATA[http://a.org/a.zim?x=1&y=2]]></url></resources>
</file></files></metalink>`;

describe('a metalink', () => {
  it('of version 4 has addresses by priority, the size, and the strongest hash', () => {
    expect(parseMetalink(version4(['http://b.org/', 'http://a.org/']))).toEqual({
      name: 'a.zim',
      sizeBytes: content.length,
      checksum: {algorithm: 'sha-256', value: hash, kind: 'digest'},
      urls: ['http://a.org/', 'http://b.org/'],
    });
  });

  it('of version 3 has addresses by preference', () => {
    expect(parseMetalink(version3)).toEqual({
      name: 'a.zim',
      sizeBytes: 5,
      checksum: {algorithm: 'sha-1', value: '2'.repeat(40), kind: 'digest'},
      urls: ['http://a.org/a.zim?x=1&y=2', 'http://b.org/a.zim'],
    });
  });

  const bomb = `<!DOCTYPE metalink [<!ENTITY a "${'x'.repeat(100)}"><!ENTITY b "&a;&a;&a;&a;">]><metalink><file><url>&b;</url></file></metalink>`;
  it.each([
    ['a document type', bomb, /document type/],
    ['an entity of its own', '<metalink><file><url>&x;</url></file></metalink>', /not well-formed/],
    ['an external entity', '<!DOCTYPE m SYSTEM "file:///etc/passwd"><metalink/>', /document type/],
    ['an end that is missing', '<metalink><file name="a">', /not well-formed/],
    ['nothing', '', /not well-formed|no file/],
    ['a page', '<html><body></body></html>', /not a metalink/],
    ['two files', '<metalink><file name="a"/><file name="b"/></metalink>', /several files/],
    [
      'no address that can be used',
      '<metalink><file><url>file:///etc/passwd</url><url>magnet:?x</url></file></metalink>',
      /no http/,
    ],
    ['endless depth', `<metalink>${'<a>'.repeat(100_000)}`, /too deeply/],
  ])('with %s is refused', (_, text, message) => {
    expect(() => parseMetalink(text)).toThrow(MetalinkError);
    expect(() => parseMetalink(text)).toThrow(message);
  });

  it('takes no digest that is none, and no size that is none', () => {
    const found = parseMetalink(
      version4(['http://a.org/'], 'zz').replace(/<size>.*<\/size>/, '<size>-1</size>'),
    );
    expect([found.sizeBytes, found.checksum?.algorithm]).toEqual([undefined, 'md5']);
  });

  it('is read or refused, whatever it is', () => {
    const piece = fc.constantFrom(
      '<metalink>',
      '</metalink>',
      '<file name="a">',
      '</file>',
      '<url>',
      '</url>',
      'http://a/',
      '<size>',
      '1',
      '&amp;',
      '&',
      '<![CDATA[',
      ']]>',
      '<!--',
      '-->',
    );
    fc.assert(
      fc.property(fc.array(piece, {maxLength: 12}), (pieces) => {
        try {
          expect(parseMetalink(pieces.join('')).urls.length).toBeGreaterThan(0);
        } catch (error) {
          expect(error).toBeInstanceOf(MetalinkError);
        }
      }),
    );
  });
});

describe('a download by metalink', () => {
  it('takes the best mirror that works, checks the hash, and is found again without asking a mirror', async () => {
    const rig = await makeRig();
    const server = await serve((request, response) => {
      if (request.url === '/a.zim.meta4') response.end(version4([`${origin()}/good`, `${origin()}/dead`]));
      else if (request.url === '/good') answer(request, response, {content, etag: '"1"'});
      else response.writeHead(404).end();
    });
    const origin = () => server.origin;
    const file = await rig.one(`${server.origin}/a.zim.meta4`);
    expect(sha256(await readFile(file.path))).toBe(hash);
    expect(server.seen.map(({path}) => path)).toEqual(['/a.zim.meta4', '/dead', '/good']);
    expect((await rig.one(`${server.origin}/a.zim.meta4`)).from).toBe('cache');
    expect(server.seen.map(({path}) => path).slice(3)).toEqual(['/a.zim.meta4']);
  });

  it('fails when the content has another hash, or another size', async () => {
    const rig = await makeRig();
    const server = await serve((request, response) => {
      const url = `${origin()}/good`;
      if (request.url === '/hash.meta4') response.end(version4([url], 'f'.repeat(64)));
      else if (request.url === '/size.meta4') response.end(version4([url], hash, 5));
      else answer(request, response, {content});
    });
    const origin = () => server.origin;
    await expect(rig.one(`${server.origin}/hash.meta4`)).rejects.toThrow(/its sha-256 is/);
    await expect(rig.one(`${server.origin}/size.meta4`)).rejects.toThrow(/5 are declared/);
  });

  it('of endless length is not read to its end', async () => {
    const rig = await makeRig();
    const server = await serve((_request, response) => {
      const piece = Buffer.alloc(1_000_000, ' ');
      const go = () => {
        while (response.write(piece));
        response.once('drain', go);
      };
      go();
    });
    await expect(rig.one(`${server.origin}/a.meta4`)).rejects.toThrow(/longer than 16777216 bytes/);
  });
});
