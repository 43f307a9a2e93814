import {describe, expect, it, vi} from 'vitest';
import type {VerifiedArtifact, VerifyResult} from '../../../api/pipeline/verify-result.ts';
import {runWith} from './run-command.ts';

const same: VerifiedArtifact = {
  step: 'blank_image',
  name: 'rpi-raw.img.zip',
  status: 'same',
  before: '1'.repeat(64),
  after: '1'.repeat(64),
  differences: [],
  more: false,
};
const different: VerifiedArtifact = {
  ...same,
  step: 'rpi_sd_image',
  name: 'hypriotos.img',
  status: 'different',
  after: '2'.repeat(64),
  differences: [
    {
      path: ['partition 2 (ext4)', '/etc/hostname'],
      what: 'content',
      offset: 8,
      before: '12 bytes',
      after: '12 bytes',
      hexdump: {
        before: ['00000000  62 6c 61 63 6b 2d 70 65  61 72 6c 0a              |black-pearl.|'],
        after: ['00000000  62 6c 61 63 6b 2d 70 65  41 72 6c 0a              |black-peArl.|'],
      },
      probably: 'a host name',
    },
    {path: ['partition 2 (ext4)', '/etc/\u001b[31mx'], what: 'mtime', before: 'a', after: 'b'},
  ],
  more: true,
};
const result: VerifyResult = {
  reference: '/out/build.json',
  identical: true,
  artifacts: [same],
  changedInputs: [],
  durationMs: 1,
};
const differing: VerifyResult = {
  ...result,
  identical: false,
  artifacts: [
    same,
    different,
    {...different, name: 'hypriotos.img.zip', because: 'hypriotos.img', differences: [], more: false},
    {...different, name: 'hypriotos.img.zst', differences: [], more: false, note: 'only its digest is known'},
    {...same, name: 'gone', status: 'absent'},
    {...same, name: 'more', status: 'new'},
  ],
  changedInputs: [{step: 'rpi_sd_image', reasons: ['root_fs.hostname "black-pearl" → "reef"']}],
  volume: 'hypriotkit-verify-1',
};

describe('verify', () => {
  it('says that all is the same', async () => {
    const verify = vi.fn(() => Promise.resolve(result));
    const argv = 'verify blank_image -t out --against b.json --keep -j 1'.split(' ');
    const {stdout, exitCode} = await runWith({verify}, argv);
    expect(stdout).toBe(
      '✔ blank_image: rpi-raw.img.zip\nidentical: 1 artifact, the same as in /out/build.json\n',
    );
    expect(exitCode).toBe(0);
    expect(verify).toHaveBeenCalledExactlyOnceWith(
      expect.objectContaining({
        components: ['blank_image'],
        target: 'out',
        against: 'b.json',
        keep: true,
        jobs: 1,
      }),
    );
  });

  it('names partition, file, offset and cause of the first difference, and exits 1', async () => {
    const {stdout, exitCode} = await runWith({verify: () => Promise.resolve(differing)}, ['verify']);
    expect(stdout).toMatchInlineSnapshot(`
      "✔ blank_image: rpi-raw.img.zip
      ✖ rpi_sd_image: hypriotos.img differs
          1111111111111111111111111111111111111111111111111111111111111111 before
          2222222222222222222222222222222222222222222222222222222222222222 now
          partition 2 (ext4) → /etc/hostname → content, offset 8
            probably a host name
            before
              00000000  62 6c 61 63 6b 2d 70 65  61 72 6c 0a              |black-pearl.|
            now
              00000000  62 6c 61 63 6b 2d 70 65  41 72 6c 0a              |black-peArl.|
          partition 2 (ext4) → /etc/x → mtime
          and more
      ✖ rpi_sd_image: hypriotos.img.zip differs, because hypriotos.img does
      ✖ rpi_sd_image: hypriotos.img.zst differs
          1111111111111111111111111111111111111111111111111111111111111111 before
          2222222222222222222222222222222222222222222222222222222222222222 now
          only its digest is known
      ✖ blank_image: gone was not made by the second build
      ✖ blank_image: more was made only by the second build
      ▲ rpi_sd_image was not built from the same: root_fs.hostname "black-pearl" → "reef"
      the second build is in the volume hypriotkit-verify-1
      5 of 6 artifacts are not the same as in /out/build.json
      "
    `);
    expect(exitCode).toBe(1);
  });

  it('tells programs the same', async () => {
    const {stdout, exitCode} = await runWith({verify: () => Promise.resolve(differing)}, [
      'verify',
      '--json',
    ]);
    expect(JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '')).toMatchObject({
      type: 'result',
      ok: false,
      identical: false,
    });
    expect(exitCode).toBe(1);
  });
});
