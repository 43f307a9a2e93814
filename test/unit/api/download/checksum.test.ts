import {createHash} from 'node:crypto';
import fc from 'fast-check';
import {describe, expect, it} from 'vitest';
import {createDigester, digestLength, isDigest} from '../../../../api/download/checksum.ts';
import {checksumAlgorithms} from '../../../../api/download/download-request.ts';
import {answer, serve} from './file-server.ts';
import {makeRig, noise} from './rig.ts';

const content = noise(20_000);

const digestOf = (algorithm: (typeof checksumAlgorithms)[number], bytes: Uint8Array): string => {
  const digester = createDigester(algorithm);
  digester.update(bytes);
  return digester.digest('hex');
};

describe('adler32', () => {
  it.each([
    ['', '00000001'],
    ['a', '00620062'],
    ['Wikipedia', '11e60398'],
  ])('of %j is %s', (text, digest) => expect(digestOf('adler32', Buffer.from(text))).toBe(digest));

  it('of the largest bytes does not overflow', () => {
    // As zlib computes it.
    expect(digestOf('adler32', Buffer.alloc(1_000_000, 0xff))).toBe('3843e1be');
  });

  it('is the same however the bytes are cut', () => {
    fc.assert(
      fc.property(fc.uint8Array({maxLength: 20_000}), fc.nat(), (bytes, cut) => {
        const digester = createDigester('adler32');
        digester.update(bytes.subarray(0, cut % (bytes.length + 1)));
        digester.update(bytes.subarray(cut % (bytes.length + 1)));
        expect(digester.digest('hex')).toBe(digestOf('adler32', bytes));
      }),
    );
  });
});

describe('a checksum', () => {
  it.each(checksumAlgorithms)(
    '%s is compared, by value and by address, in either case',
    async (algorithm) => {
      const value = digestOf(algorithm, content);
      expect(value).toHaveLength(digestLength[algorithm]);
      const rig = await makeRig();
      const server = await serve((request, response) => {
        if (request.url === '/sum') response.end(`${value.toUpperCase()}  a.bin\n`);
        else answer(request, response, {content, etag: '"1"'});
      });
      const byAddress = {algorithm, value: `${server.origin}/sum`, kind: 'url'} as const;
      const byValue = {algorithm, value, kind: 'digest'} as const;
      expect((await rig.one(`${server.origin}/a.bin`, {checksum: byAddress})).from).toBe('network');
      expect((await rig.one(`${server.origin}/a.bin`, {checksum: byValue})).from).toBe('cache');
      const other = {...byValue, value: `${value.startsWith('0') ? '1' : '0'}${value.slice(1)}`};
      await expect(rig.one(`${server.origin}/a.bin`, {checksum: other})).rejects.toThrow(
        `its ${algorithm} is ${value}`,
      );
    },
  );

  it.each([
    ['too short', 'abc', /should be 64 hex digits/],
    ['no hex', 'z'.repeat(64), /should be 64 hex digits/],
  ])('that is %s is refused before anything is fetched', async (_, value, message) => {
    const rig = await makeRig();
    const server = await serve((request, response) => answer(request, response, {content}));
    const checksum = {algorithm: 'sha-256', value, kind: 'digest'} as const;
    await expect(rig.one(`${server.origin}/a.bin`, {checksum})).rejects.toThrow(message);
    expect(server.seen).toEqual([]);
  });

  it.each([
    ['is not there', (respond: (status: number, text: string) => void) => respond(404, ''), /answers 404/],
    ['is a page', (respond: (status: number, text: string) => void) => respond(200, '<html>'), /is not one/],
    [
      'is endless',
      (respond: (status: number, text: string) => void) => respond(200, 'a'.repeat(5000)),
      /longer than 2048/,
    ],
  ] as const)('whose address %s fails before anything is fetched', async (_, say, message) => {
    const rig = await makeRig();
    const server = await serve((_request, response) => {
      say((status, text) => response.writeHead(status).end(text));
    });
    const checksum = {algorithm: 'md5', value: `${server.origin}/sum`, kind: 'url'} as const;
    await expect(rig.one(`${server.origin}/a.bin`, {checksum})).rejects.toThrow(message);
    expect(server.seen.map(({path}) => path)).toEqual(['/sum']);
  });
});

it('isDigest knows the length of each', () => {
  for (const algorithm of ['sha-1', 'sha-512'] as const) {
    const digest = createHash(algorithm.replace('-', '')).digest('hex');
    expect(isDigest(algorithm, digest)).toBe(true);
    expect(isDigest(algorithm, digest.slice(1))).toBe(false);
  }
});
