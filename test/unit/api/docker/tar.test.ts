import fc from 'fast-check';
import {Readable} from 'node:stream';
import {pack} from 'tar-stream';
import {describe, expect, it} from 'vitest';
import {readTarFiles, writeTar} from '../../../../api/docker/tar.ts';

describe('writeTar and readTarFiles', () => {
  const names = fc.uniqueArray(fc.stringMatching(/^[a-zA-Z0-9._ äß-]{1,150}$/), {maxLength: 6});

  it('give back what they got, also long names and empty files', async () => {
    await fc.assert(
      fc.asyncProperty(
        names,
        fc.array(fc.uint8Array({maxLength: 2000}), {minLength: 6}),
        async (given, data) => {
          const files = given.map((name, i) => ({name, content: Buffer.from(data[i] ?? [])}));
          const read = await readTarFiles(Readable.from([await writeTar(files)]));
          expect(read).toEqual(new Map(files.map(({name, content}) => [name, content])));
        },
      ),
      {numRuns: 50},
    );
  });

  it('take a tar in pieces of any size', async () => {
    const tar = await writeTar([{name: 'a', content: Buffer.alloc(3000, 'x')}]);
    const pieces = Array.from({length: Math.ceil(tar.length / 7)}, (_, i) => tar.subarray(i * 7, i * 7 + 7));
    expect((await readTarFiles(Readable.from(pieces))).get('a')).toEqual(Buffer.alloc(3000, 'x'));
  });

  it('make the same bytes at any time', async () => {
    const files = [{name: 'a', content: Buffer.from('x'), mode: 0o755}];
    const first = await writeTar(files);
    await new Promise((resolve) => setTimeout(resolve, 1100));
    expect(await writeTar(files)).toEqual(first);
  });
});

describe('readTarFiles', () => {
  it('reads regular files by base name and nothing else', async () => {
    const archive = pack();
    archive.entry({name: 'index/', type: 'directory'});
    archive.entry({name: 'index/a.json'}, 'content');
    archive.entry({name: 'index/link', type: 'symlink', linkname: '/etc/passwd'});
    archive.finalize();
    expect([...(await readTarFiles(archive as unknown as Readable)).keys()]).toEqual(['a.json']);
  });

  it('fails for a tar that was cut off', async () => {
    const tar = await writeTar([{name: 'a', content: Buffer.alloc(3000, 'x')}]);
    await expect(readTarFiles(Readable.from([tar.subarray(0, 1500)]))).rejects.toThrow();
  });

  it('fails when the stream does', async () => {
    const broken = new Readable({
      read() {
        this.destroy(new Error('connection lost'));
      },
    });
    await expect(readTarFiles(broken)).rejects.toThrow('connection lost');
  });
});
