import {describe, expect, it} from 'vitest';
import {findDiskOf, parseDevices} from '../../../../api/flash/block-device.ts';

const disk = (path: string, more: object = {}) => ({
  path,
  type: 'disk',
  size: 32_010_928_128,
  model: null,
  vendor: null,
  tran: null,
  rm: false,
  hotplug: false,
  ro: false,
  label: null,
  mountpoints: [null],
  ...more,
});
const part = (path: string, mountpoint: string | null, more: object = {}) =>
  disk(path, {type: 'part', mountpoints: [mountpoint], ...more});
const list = (...blockdevices: object[]) => JSON.stringify({blockdevices});

describe('a device', () => {
  it('in a card reader is what people look for', () => {
    const [card] = parseDevices(
      list(
        disk('/dev/sdb', {
          vendor: 'Generic ',
          model: 'STORAGE DEVICE',
          tran: 'usb',
          rm: true,
          hotplug: true,
          children: [
            part('/dev/sdb1', '/media/me/boot', {label: 'BOOT'}),
            part('/dev/sdb2', '/media/me/boot/root', {label: 'root'}),
          ],
        }),
      ),
    );
    expect(card).toEqual({
      path: '/dev/sdb',
      sizeBytes: 32_010_928_128,
      model: 'Generic STORAGE DEVICE',
      transport: 'usb',
      isRemovable: true,
      isReadOnly: false,
      mountPoints: ['/media/me/boot/root', '/media/me/boot'],
      labels: ['BOOT', 'root'],
    });
  });

  it.each([
    ['/', 'holds the running system'],
    ['[SWAP]', 'holds swap space in use'],
    ['/boot', 'holds /boot, a part of the running system'],
    ['/boot/efi', 'holds /boot/efi, a part of the running system'],
    ['/home', 'holds /home, a part of the running system'],
    ['/var/lib/docker', 'holds /var/lib/docker, a part of the running system'],
  ])('with %s is refused', (mountPoint, refusal) => {
    const removable = {rm: true, hotplug: true, tran: 'usb'};
    const [device] = parseDevices(
      list(disk('/dev/sda', {...removable, children: [part('/dev/sda1', mountPoint)]})),
    );
    expect(device?.refusal).toBe(refusal);
  });

  it('with the system below encryption and volumes is refused', () => {
    const volume = disk('/dev/mapper/vg-root', {type: 'lvm', mountpoints: ['/']});
    const crypt = disk('/dev/mapper/luks', {type: 'crypt', children: [volume]});
    const [device] = parseDevices(
      list(disk('/dev/nvme0n1', {children: [part('/dev/nvme0n1p3', null, {children: [crypt]})]})),
    );
    expect(device?.refusal).toBe('holds the running system');
  });

  it('that something else lies on is refused, mounted or not', () => {
    const raid = disk('/dev/md0', {type: 'raid1'});
    const [device] = parseDevices(
      list(disk('/dev/sdc', {rm: true, children: [part('/dev/sdc1', null, {children: [raid]})]})),
    );
    expect(device?.refusal).toBe('is in use by /dev/md0 (raid1)');
  });

  it('that is write-protected is refused', () => {
    expect(parseDevices(list(disk('/dev/sdb', {ro: true})))[0]).toMatchObject({
      isReadOnly: true,
      refusal: 'is write-protected',
    });
  });

  it('of the slot in a laptop is a card, soldered memory is not', () => {
    const json = list(disk('/dev/mmcblk0'), disk('/dev/mmcblk1'));
    const devices = parseDevices(json, (path) => path === '/dev/mmcblk0');
    expect(devices.map(({isRemovable, transport}) => [isRemovable, transport])).toEqual([
      [true, 'mmc'],
      [false, 'mmc'],
    ]);
  });

  it('that is no disk, or an empty reader, is not listed', () => {
    const json = list(
      disk('/dev/sr0', {type: 'rom'}),
      disk('/dev/sdb', {size: 0, rm: true}),
      disk('/dev/zram0', {size: 0}),
    );
    expect(parseDevices(json)).toEqual([]);
  });

  it('as lsblk 2.33 to 2.36 tells of it is understood', () => {
    const {mountpoints: _none, ...old} = disk('/dev/sda', {
      size: '1000',
      rm: '0',
      ro: '0',
      hotplug: '1',
      mountpoint: '/',
    });
    expect(parseDevices(list(old))).toMatchObject([
      {sizeBytes: 1000, isRemovable: true, refusal: 'holds the running system'},
    ]);
  });
});

it('the disk of a partition is found', () => {
  const json = list(disk('/dev/sda'), disk('/dev/sdb', {children: [part('/dev/sdb1', null)]}));
  expect(findDiskOf(json, '/dev/sdb1')).toBe('/dev/sdb');
  expect(findDiskOf(json, '/dev/sdb')).toBeUndefined();
});
