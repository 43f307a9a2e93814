import fc from 'fast-check';
import {afterAll, beforeAll, describe, expect, it} from 'vitest';
import {inVolume, newVolumeName, removeTestThings, removeVolume, testBaseImage} from './engine.ts';

const volume = newVolumeName();

beforeAll(testBaseImage);
afterAll(async () => {
  await removeVolume(volume);
  await removeTestThings();
});

const unit = 4 * 1024 ** 2;

/** What a piece of an image is filled with. */
const sources = {
  zeros: 'cat /dev/zero',
  text: 'yes some text',
  noise: `openssl enc -aes-128-ctr -K ${'0'.repeat(32)} -iv ${'0'.repeat(32)} -in /dev/zero 2>/dev/null`,
};

interface Piece {
  readonly at: number;
  readonly bytes: number;
  readonly source: keyof typeof sources;
}

interface Image {
  readonly pieces: readonly Piece[];
  readonly size: number;
  readonly ranges: readonly {readonly first: number; readonly end: number}[];
}

/** Near the ends of units and blocks is where mistakes are made. */
const place = fc
  .tuple(fc.constantFrom(0, 4096, unit - 4096, unit, 2 * unit, 3 * unit), fc.integer({min: -2, max: 9000}))
  .map(([base, offset]) => Math.max(0, base + offset));

const image: fc.Arbitrary<Image> = fc
  .record({
    pieces: fc.array(
      fc.record({
        at: place,
        bytes: fc.oneof(fc.integer({min: 1, max: 9000}), fc.constantFrom(unit, unit + 1, 2 * unit)),
        source: fc.constantFrom('zeros' as const, 'text' as const, 'noise' as const),
      }),
      {maxLength: 5},
    ),
    size: place.map((bytes) => bytes + 1),
    cuts: fc.uniqueArray(place, {maxLength: 6}),
  })
  .map(({pieces, size: least, cuts}) => {
    const size = Math.max(least, ...pieces.map(({at, bytes}) => at + bytes));
    const sorted = cuts.filter((at) => at < size).sort((a, b) => a - b);
    const ranges = sorted.flatMap((first, index) =>
      index % 2 === 0 ? [{first, end: sorted[index + 1] ?? size}] : [],
    );
    return {pieces, size, ranges};
  });

/** Packs an image with 1, 2 and 4 threads; prints a line for everything that must be the same each. */
function script({pieces, size, ranges}: Image): string {
  return `
    rm -rf /tmp/pack; mkdir /tmp/pack; cd /tmp/pack; export SOURCE_DATE_EPOCH=1700000000
    truncate -s ${size} i.img
    ${pieces
      .map(
        ({at, bytes, source}) =>
          `{ ${sources[source]} || :; } | head -c ${bytes} | dd of=i.img bs=64K iflag=fullblock oflag=seek_bytes seek=${at} conv=notrunc status=none`,
      )
      .join('\n')}
    cp --sparse=always i.img holes.img
    for threads in 1 2 4; do
      cp --sparse=never holes.img i.img
      printf '${ranges.map(({first, end}) => `${first} ${end}\\n`).join('')}' |
        /usr/lib/hypriotkit/pack-image $threads i.img >digests.$threads
      cat digests.$threads i.img.zip i.img.zst i.img.units | sha256sum >packed.$threads
    done
    # Another image, with one at hand that has most of it elsewhere, undamaged or not: the same as without.
    mkdir new; at=$((${size} / 3 / 4096 * 4096))
    { head -c $at i.img; head -c 4096 /dev/urandom; tail -c +$((at + 1)) i.img; } |
      dd of=new/i.img bs=64K iflag=fullblock conv=sparse status=none; truncate -s $((${size} + 4096)) new/i.img
    packed() { /usr/lib/hypriotkit/pack-image 2 new/i.img "$@" </dev/null >new/digests
      cat new/digests new/i.img.zip new/i.img.zst new/i.img.units | sha256sum; }
    { packed; packed i.img; } >earlier
    for file in ${size < 2 ** 30 ? 'i.img.zip i.img.zst i.img.units' : ''}; do
      cp $file kept; printf y | dd of=$file bs=1 seek=$(($(stat -c %s $file) / 3)) conv=notrunc status=none; packed i.img >>earlier
      truncate -s $(($(stat -c %s $file) / 2)) $file; packed i.img >>earlier; mv kept $file
    done
    echo earlier $(sort -u earlier | wc -l) 1
    digest() { sha256sum | cut -d ' ' -f 1; }
    echo threads $(cat packed.* | sort -u | wc -l) 1
    for form in 'cat i.img' 'unzip -p i.img.zip' 'pigz -dc i.img.zip' 'zstd -dcq i.img.zst' 'head -n 1 digests.1'; do
      case $form in head*) found=$($form) ;; *) found=$($form | digest) ;; esac
      echo $form $found $(digest <holes.img)
    done
    echo ranges $(tail -n +2 digests.1 | digest) $({ ${[
      ':',
      ...ranges.map(({first, end}) => `tail -c +${first + 1} holes.img | head -c ${end - first} | digest`),
    ].join('; ')}; } | digest)
    # A file in several pieces may need a block of the file system's own to list them: 8 sectors.
    [ $(stat -c %b i.img) -le $(($(stat -c %b holes.img) + 8)) ] && echo holes 1 1 || echo holes $(stat -c %b i.img holes.img)
    rm -rf /tmp/pack
  `;
}

/** Lines whose last two words differ. */
const differences = (output: string) =>
  output.split('\n').filter((line) => {
    const words = line.split(' ');
    return line !== '' && words.at(-1) !== words.at(-2);
  });

describe('pack-image', () => {
  it('packs any image so that it unpacks to the same bytes, the same for any number of threads', async () => {
    await fc.assert(
      // Several in one container, because starting one takes longer than packing.
      fc.asyncProperty(fc.array(image, {minLength: 10, maxLength: 10}), async (images) => {
        const output = await inVolume(volume, images.map(script).join('\n'));
        expect(output.split('\n').filter((line) => line.startsWith('threads'))).toHaveLength(images.length);
        expect(differences(output)).toEqual([]);
      }),
      {numRuns: 2, endOnFailure: true},
    );
  });

  it.each<[string, Image]>([
    ['one byte', {pieces: [{at: 0, bytes: 1, source: 'text'}], size: 1, ranges: [{first: 0, end: 1}]}],
    ['only a hole', {pieces: [], size: 3 * unit, ranges: [{first: 0, end: 3 * unit}]}],
    ['a hole that ends no unit', {pieces: [], size: unit + 5, ranges: []}],
    [
      'what is packed already',
      {pieces: [{at: 0, bytes: 3 * unit, source: 'noise'}], size: 3 * unit, ranges: []},
    ],
  ])('packs %s', async (_, one) => {
    expect(differences(await inVolume(volume, script(one)))).toEqual([]);
  });

  it('packs more than 4 GiB', async () => {
    const size = 4 * 1024 ** 3 + 100;
    const output = await inVolume(
      volume,
      `cd /tmp; truncate -s ${size} i.img; printf end | dd of=i.img bs=1 seek=${size - 3} conv=notrunc status=none
       /usr/lib/hypriotkit/pack-image 2 i.img </dev/null
       unzip -p i.img.zip | sha256sum | cut -d ' ' -f 1
       unzip -l i.img.zip | awk 'END { print $1 }'; stat -c %b i.img`,
    );
    const [digest, unpacked, listed, blocks] = output.trim().split('\n');
    expect(unpacked).toBe(digest);
    expect(listed).toBe(String(size));
    expect(Number(blocks)).toBeLessThan(100);
  });

  it.each<[string, string, string]>([
    [
      'a file that is not there',
      '</dev/null /usr/lib/hypriotkit/pack-image 1 gone.img',
      'gone.img: No such file',
    ],
    [
      'ranges out of order',
      'printf "4096 8192\\n0 4096\\n" | /usr/lib/hypriotkit/pack-image 1 i.img',
      'ranges',
    ],
    ['ranges behind the end', 'echo 0 20000 | /usr/lib/hypriotkit/pack-image 1 i.img', 'ranges'],
    ['no threads', '/usr/lib/hypriotkit/pack-image 0 i.img </dev/null', 'usage'],
    [
      'a full disk',
      'ln -s /dev/full i.img.zst; /usr/lib/hypriotkit/pack-image 2 i.img </dev/null',
      'i.img.zst: No space left on device',
    ],
  ])('refuses %s', async (_, command, message) => {
    const output = await inVolume(
      volume,
      `cd /tmp; truncate -s 10000 i.img; if { ${command}; } >/dev/null 2>error; then echo done; else cat error; fi`,
    );
    expect(output).toContain(message);
  });
});
