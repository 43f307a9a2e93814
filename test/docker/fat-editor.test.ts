import fc from 'fast-check';
import {createHash} from 'node:crypto';
import {mkdtemp, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {afterAll, beforeAll, expect, it, onTestFinished} from 'vitest';
import {bufferSource} from '../../api/disk/byte-source.ts';
import {FatEditor, NotAFileError} from '../../api/disk/fat-editor.ts';
import {FatFullError} from '../../api/disk/fat-table.ts';
import {PatchedSource} from '../../api/disk/patched-source.ts';
import {bootStart, readReferenceDisk} from '../unit/api/disk/reference-disk.ts';
import {inVolume, removeTestThings, testBaseImage} from './engine.ts';

beforeAll(testBaseImage);
afterAll(removeTestThings);

/** Where the boot partition of the reference disks ends. */
const bootBytes = {fat16: 16 * 1024 ** 2, fat32: 34 * 1024 ** 2};

const name = fc.oneof(
  fc.constantFrom(
    'user-data',
    'User-Data',
    'config.txt',
    'KERNEL8.IMG',
    'a.b.c',
    'x'.repeat(200),
    '.hidden',
    'docs',
  ),
  fc.stringMatching(/^[a-zA-Z0-9_+ -]{1,30}[a-z]$/),
);
const path = fc.array(name, {minLength: 1, maxLength: 3}).map((names) => names.join('/'));
// Large enough to fill the partition now and then.
const writes = fc.array(fc.tuple(path, fc.oneof(fc.nat(9000), fc.nat(3_000_000))), {
  minLength: 1,
  maxLength: 40,
});

it.each(['fat16', 'fat32'] as const)(
  'fsck.vfat and mtools agree with what was written to %s',
  async (kind) => {
    const disk = await readReferenceDisk(kind);
    const folder = await mkdtemp(join(tmpdir(), 'hypriotkit-fat-'));
    onTestFinished(() => rm(folder, {recursive: true, force: true}));
    const expected: string[] = [];
    for (const [index, list] of fc.sample(writes, {seed: 42, numRuns: 12}).entries()) {
      const patched = new PatchedSource(bufferSource(disk));
      const editor = await FatEditor.open(patched, bootStart);
      const files = new Map<string, string>();
      for (const [key, length] of list) {
        const content = Buffer.alloc(length, key);
        try {
          await editor?.writeFile(key, content);
          files.set(key.toUpperCase(), createHash('sha256').update(content).digest('hex'));
        } catch (error) {
          // A full partition ends the work on it; what is in memory then is thrown away, as it is for users.
          if (error instanceof FatFullError) break;
          if (!(error instanceof NotAFileError)) throw error;
        }
      }
      if (files.size === 0) continue;
      await editor?.flush();
      await writeFile(join(folder, `${index}.img`), await patched.read(bootStart, bootBytes[kind]));
      await writeFile(join(folder, `${index}.list`), [...files.keys()].map((key) => `${key}\n`).join(''));
      expected.push(...[...files].map(([key, sum]) => `${index} ${sum} ${key}`));
    }
    const printed = await inVolume(
      folder,
      `export MTOOLSRC=/dev/null
     for image in *.img; do
       fsck.vfat -n $image >/tmp/log || { cat /tmp/log >&2; exit 1; }
       while IFS= read -r file; do
         echo "\${image%.img} $(mtype -i $image "::$file" | sha256sum | cut -d ' ' -f 1) $file"
       done <\${image%.img}.list
     done`,
    );
    expect(printed.trim().split('\n').sort()).toEqual(expected.sort());
    expect(expected.length).toBeGreaterThan(50);
  },
);
