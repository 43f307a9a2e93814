import fc from 'fast-check';
import {describe, expect, it} from 'vitest';
import {OtaError} from '../../../../../api/ota/ota-error.ts';
import {readDer} from '../../../../../api/ota/signing/der.ts';
import {Descriptor} from '../../../../../api/ota/image/model/descriptor.ts';
import {decodeFilter, encodeFilter, type Filter} from '../../../../../api/ota/image/model/filter.ts';
import {entryKind, ImageIndex} from '../../../../../api/ota/image/model/image-index.ts';
import {readDocument} from '../../../../../api/ota/image/model/json-document.ts';
import {artifactTypes, mediaTypes} from '../../../../../api/ota/image/model/media-types.ts';
import {decodeMsgpack, encodeMsgpack} from '../../../../../api/ota/image/model/msgpack.ts';
import {decodeXattrs, encodeXattrs} from '../../../../../api/ota/image/model/xattrs.ts';
import {FrameScanner} from '../../../../../api/ota/image/zstd/frame-scanner.ts';
import {compress} from './image-rig.ts';

const id = fc.nat({max: Number.MAX_SAFE_INTEGER});
const bytes = fc.uint8Array({maxLength: 300});

/** Whatever a parser is given: it gives a result or an `OtaError`. */
function neverCrashes(parse: (input: Uint8Array) => unknown): void {
  fc.assert(
    fc.property(bytes, (input) => {
      try {
        parse(input);
      } catch (error) {
        expect(error).toBeInstanceOf(OtaError);
      }
    }),
  );
}

describe('filters', () => {
  it.each<[string, Filter]>([
    ['623a93cd014a0043', {kind: 'bundle', id: 330, offset: 0, length: 67}],
    ['633a92cd0149a47a737464', {kind: 'compress', id: 329, algorithm: 'zstd'}],
    ['733a92cd014ecd014f', {kind: 'slice', ids: [334, 335]}],
  ])('%s is written as the reference writes it', (hex, filter) => {
    expect(encodeFilter(filter).toString('hex')).toBe(hex);
    expect(decodeFilter(Buffer.from(hex, 'hex'))).toEqual(filter);
  });

  it('come back as they were', () => {
    const filter = fc.oneof<fc.Arbitrary<Filter>[]>(
      fc.record({kind: fc.constant('bundle'), id, offset: id, length: id}),
      fc.record({kind: fc.constant('compress'), id, algorithm: fc.constant('zstd')}),
      fc.record({kind: fc.constant('slice'), ids: fc.array(id, {minLength: 1})}),
    );
    fc.assert(
      fc.property(filter, (one) => {
        expect(decodeFilter(encodeFilter(one))).toEqual(one);
      }),
    );
  });

  it.each(['', 'x:', 'q:\x90', 'b:\x91\x01', 's:\x90', 'c:\x92\x01\xa2xz'])('%j is refused', (text) => {
    expect(() => decodeFilter(Buffer.from(text, 'latin1'))).toThrow(OtaError);
  });

  it('refuses a million slices that are not there', () => {
    expect(() => decodeFilter(Buffer.from('s:\xdd\xff\xff\xff\xff', 'latin1'))).toThrow(OtaError);
  });
});

describe('extended attributes', () => {
  it('are written as the reference writes them', () => {
    const xattrs = new Map([['user.ota.test', Buffer.from('value1')]]);
    expect(encodeXattrs(xattrs)?.toString('latin1')).toBe('\x81\xaduser.ota.test\xc4\x06value1');
    expect(encodeXattrs(new Map())).toBeNull();
  });

  it('lose the user namespace of capabilities', () => {
    const version3 = Buffer.from('010000030020000000000000000000000000000064000000', 'hex');
    const [[, value] = []] = [...decodeXattrs(encodeXattrs(new Map([['security.capability', version3]])))];
    expect(Buffer.from(value ?? []).toString('hex')).toBe('0100000200200000000000000000000000000000');
  });

  it('come back as they were', () => {
    const name = fc.string().map((text) => `user.${text}`);
    fc.assert(
      fc.property(fc.uniqueArray(fc.tuple(name, bytes), {selector: ([key]) => key}), (entries) => {
        const back = [...decodeXattrs(encodeXattrs(new Map(entries)))];
        expect(back.map(([key, value]) => [key, [...value]])).toEqual(
          entries.map(([key, value]) => [key, [...value]]),
        );
      }),
    );
  });
});

describe('the index', () => {
  const digest = `sha256:${'0'.repeat(64)}`;
  const entry = (mediaType: string, artifactType?: string) =>
    entryKind(Descriptor.parse({size: 1, digest, mediaType, ...(artifactType && {artifactType})}));

  it('tells payloads from what came later', () => {
    expect(entry(mediaTypes.imageManifest)).toBe('payload');
    expect(entry(mediaTypes.imageManifest, artifactTypes.fileBasedImage)).toBe('payload');
    expect(entry(mediaTypes.imageManifest, artifactTypes.partitionBasedImage)).toBe('unknown');
    expect(entry('application/x-new')).toBe('unknown');
    expect(entry(mediaTypes.resourceTable)).toBe('resource-table');
  });

  it('is refused with the name of what is wrong', () => {
    const text = JSON.stringify({
      manifests: [],
      annotations: {},
      schemaVersion: 2,
      mediaType: mediaTypes.imageIndex,
    });
    expect(() => readDocument(ImageIndex, Buffer.from(text), 'index.json')).toThrow(
      /index.json is not valid: annotations.vnd.tier4.ota.ota-image-builder.version/,
    );
  });
});

describe('whatever bytes come', () => {
  it('filters are read or refused', () =>
    neverCrashes((input) => decodeFilter(Buffer.concat([Buffer.from('s:'), input]))));
  it('MessagePack is read or refused', () => neverCrashes(decodeMsgpack));
  it('attributes are read or refused', () => neverCrashes(decodeXattrs));
  it('DER is read or refused', () => neverCrashes((input) => readDer(Buffer.from(input))));
  it('JSON documents are read or refused', () =>
    neverCrashes((input) => readDocument(ImageIndex, input, 'x')));
  it('zstd frames are followed or refused', () =>
    neverCrashes((input) => {
      const scanner = new FrameScanner('x');
      scanner.push(Buffer.concat([Buffer.from('28b52ffd', 'hex'), input]));
      scanner.end();
    }));

  it('a number comes back as it was', () => {
    fc.assert(
      fc.property(id, (value) => {
        expect(decodeMsgpack(encodeMsgpack(value))).toBe(value);
      }),
    );
  });
});

it('a zstd frame is followed the same however it is cut, and never promises less than it gives', () => {
  fc.assert(
    fc.property(fc.uint8Array({maxLength: 5000}), fc.integer({min: 1, max: 50}), (content, step) => {
      const frame = compress(content);
      const scanner = new FrameScanner('x');
      for (let at = 0; at < frame.length; at += step) scanner.push(frame.subarray(at, at + step));
      scanner.end();
      expect(scanner.outputBound).toBeGreaterThanOrEqual(content.length);
    }),
    {numRuns: 40},
  );
});
