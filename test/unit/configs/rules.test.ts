import {describe, expect, it} from 'vitest';
import {linesOfValue} from './check.ts';

const sizes = (size: string, boot_size: string) => linesOfValue({blank_image: {size, boot_size}});

describe('the sizes of blank_image', () => {
  it.each([
    ['2GiB', '256MiB'],
    ['320MiB', '64MiB'],
    ['2304MiB', '2GiB'],
    ['1024GiB', '256MiB'],
    ['65536MB', '256MiB'],
  ])('may be %s with a boot partition of %s', (size, boot) => {
    expect(sizes(size, boot)).toEqual([]);
  });

  it.each([
    [
      '508MiB',
      '256MiB',
      '1:24 blank_image.size must exceed boot_size (256MiB) by at least 256MiB, found "508MiB"',
    ],
    [
      '256MiB',
      '256MiB',
      '1:24 blank_image.size must exceed boot_size (256MiB) by at least 256MiB, found "256MiB"',
    ],
    ['1028GiB', '64MiB', '1:24 blank_image.size must be at most 1TiB (1024GiB), found "1028GiB"'],
    ['2GiB', '60MiB', '1:43 blank_image.boot_size must be from 64MiB to 2GiB, found "60MiB"'],
    ['4GiB', '2052MiB', '1:43 blank_image.boot_size must be from 64MiB to 2GiB, found "2052MiB"'],
    [
      '2GB',
      '256MiB',
      '1:24 blank_image.size must be a multiple of 4MiB, found "2GB", did you mean "1904MiB"?',
    ],
    [
      '2GiB',
      '255MiB',
      '1:43 blank_image.boot_size must be a multiple of 4MiB, found "255MiB", did you mean "252MiB"?',
    ],
  ])('may not be %s with a boot partition of %s', (size, boot, message) => {
    expect(sizes(size, boot)).toEqual([message]);
  });

  it('may be automatic, and have room for two slots', () => {
    expect(sizes('auto', '64MiB')).toEqual([]);
    expect(linesOfValue({blank_image: {layout: 'ab', size: '576MiB', boot_size: '64MiB'}})).toEqual([]);
    expect(linesOfValue({blank_image: {layout: 'ab', size: '572MiB', boot_size: '64MiB'}})).toEqual([
      '1:38 blank_image.size must exceed boot_size (64MiB) by at least 512MiB, found "572MiB"',
    ]);
    expect(linesOfValue({blank_image: {layout: 'ab', device: 'odroid'}})).toEqual([
      expect.stringContaining('blank_image.layout must be "single" for this device') as string,
    ]);
  });

  it('are multiples of the alignment', () => {
    expect(linesOfValue({blank_image: {alignment: '1MiB', size: '1025MiB'}})).toEqual([]);
    expect(linesOfValue({blank_image: {alignment: '32MiB', size: '1028MiB'}})).toEqual([
      '1:44 blank_image.size must be a multiple of 32MiB, found "1028MiB", did you mean "1GiB"?',
    ]);
  });

  it('point at the field that the user wrote, not at a default', () => {
    expect(linesOfValue({blank_image: {boot_size: '2GiB'}})).toEqual([
      '1:29 blank_image.size must exceed boot_size (2GiB) by at least 256MiB',
    ]);
  });

  it('say nothing about a pair of which one is wrong by itself', () => {
    expect(sizes('2GIB', '2GiB')).toEqual([
      '1:24 blank_image.size must be "auto" or a size such as "512MiB" or "2GiB" (units MiB, GiB, MB, GB), found "2GIB"',
    ]);
  });
});

describe('a target without a port in Debian', () => {
  it.each(['armhf-raspbian', 'mips'])('needs a mirror and its keyring: %s', (target) => {
    const must = `must be set for target ${target}: Debian has no such port, so mirror, suite and keyring must name an archive that has it`;
    expect(linesOfValue({root_fs: {target}})).toEqual([
      `1:22 root_fs.mirror ${must}`,
      `1:22 root_fs.keyring ${must}`,
    ]);
    const mirror = 'http://mirror.example/x';
    expect(linesOfValue({root_fs: {target, mirror}})).toEqual([`1:22 root_fs.keyring ${must}`]);
    expect(linesOfValue({root_fs: {target, mirror, keyring: 'key.asc'}})).toEqual([]);
  });

  it.each(['arm64-debian', 'armhf-debian', 'amd64', 'i386'])('is not %s', (target) => {
    expect(linesOfValue({root_fs: {target}})).toEqual([]);
  });
});

describe('rpi_sd_image', () => {
  it('needs a root file system for arm64', () => {
    expect(linesOfValue({root_fs: {target: 'amd64'}, rpi_sd_image: {}})).toEqual([
      '1:22 root_fs.target must be "arm64-debian" when rpi_sd_image is built: it is an image of 64 bits, found "amd64"',
    ]);
  });

  it('needs more than a container does', () => {
    expect(linesOfValue({root_fs: {variant: 'apt'}, rpi_sd_image: {}})).toEqual([
      '1:23 root_fs.variant must not be "apt" when rpi_sd_image is built: nothing in it could boot, found "apt"',
    ]);
    expect(linesOfValue({root_fs: {variant: 'apt'}})).toEqual([]);
  });

  it('needs the partitions of a Raspberry Pi', () => {
    expect(linesOfValue({rpi_sd_image: {}, blank_image: {device: 'odroid'}})).toEqual([
      '1:44 blank_image.device must be "rpi" when rpi_sd_image is built: it is an image for the Raspberry Pi, found "odroid"',
    ]);
  });

  it('does not limit what is built without it', () => {
    expect(linesOfValue({root_fs: {target: 'i386'}, blank_image: {device: 'odroid'}})).toEqual([]);
  });

  it('is not the reason for a second message about a target that does not exist', () => {
    expect(linesOfValue({root_fs: {target: 'arm46-debian'}, rpi_sd_image: {}})).toEqual([
      '1:22 root_fs.target is not a known target, found "arm46-debian", did you mean "arm64-debian"?',
    ]);
  });
});

describe('the names of the build images', () => {
  it('differ, with and without the tag that Docker adds', () => {
    expect(linesOfValue({base_image: {image: 'me/x'}, root_fs: {image: 'me/x:latest'}})).toEqual([
      '1:51 root_fs.image must differ from base_image.image, found "me/x:latest"',
    ]);
    expect(linesOfValue({base_image: {image: 'me:80/x'}, root_fs: {image: 'me:80/x:1'}})).toEqual([]);
  });

  it('differ from the default of a component that is not listed', () => {
    expect(linesOfValue({base_image: {image: 'hypriotkit/root-fs'}})).toEqual([
      '1:24 root_fs.image must differ from base_image.image',
    ]);
  });
});

it('lists a package once', () => {
  expect(linesOfValue({root_fs: {packages: ['vim', 'nano', 'vim']}})).toEqual([
    '1:24 root_fs.packages must list each package once: "vim" is there twice, found a list',
  ]);
});
