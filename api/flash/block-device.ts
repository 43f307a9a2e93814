import {z} from 'zod';

/** A disk that an image could be written to. */
export interface BlockDevice {
  /** `/dev/sdb` */
  readonly path: string;
  readonly sizeBytes: number;
  /** Maker and model as the device tells them; absent when it does not. */
  readonly model?: string;
  /** How it is attached: `usb`, `mmc`, `nvme`, `sata`, `loop`. */
  readonly transport?: string;
  /** A card or stick: something that people plug in and out. */
  readonly isRemovable: boolean;
  readonly isReadOnly: boolean;
  /** Where it and its partitions are mounted, the innermost first. */
  readonly mountPoints: readonly string[];
  /** Why nobody may write to it, as `holds /boot`; absent when nothing speaks against it. */
  readonly refusal?: string;
  /** Names of the file systems on it, so that people recognize it. */
  readonly labels: readonly string[];
}

/** One entry of `lsblk --json`; version 2.36 and before have `mountpoint` only, and some put numbers into texts. */
interface Entry {
  readonly path: string;
  readonly type: string;
  readonly size: number;
  readonly model: string | null;
  readonly vendor: string | null;
  readonly tran: string | null;
  readonly rm: boolean;
  readonly hotplug: boolean;
  readonly ro: boolean;
  readonly label: string | null;
  readonly mounts: readonly string[];
  readonly children: readonly Entry[];
}

const flag = z
  .union([z.boolean(), z.string(), z.number()])
  .transform((value) => value === true || value === '1' || value === 1);
const text = z
  .string()
  .nullish()
  .transform((value) => value?.trim() ?? null);

const Entry: z.ZodType<Entry> = z
  .object({
    path: z.string(),
    type: z.string(),
    size: z.coerce.number(),
    model: text,
    vendor: text,
    tran: text,
    rm: flag,
    hotplug: flag,
    ro: flag,
    label: text,
    mountpoint: z.string().nullish(),
    mountpoints: z.array(z.string().nullable()).nullish(),
    get children(): z.ZodOptional<z.ZodArray<z.ZodType<Entry>>> {
      return z.array(Entry).optional();
    },
  })
  .transform(({mountpoint, mountpoints, children, ...rest}) => ({
    ...rest,
    mounts: [mountpoint, ...(mountpoints ?? [])].filter((at) => typeof at === 'string'),
    children: children ?? [],
  }));

const Listing = z.object({blockdevices: z.array(Entry)});

/** Where a system has what it needs to run, with everything below. */
const systemFolders = ['/boot', '/etc', '/home', '/nix', '/opt', '/root', '/srv', '/usr', '/var'];

/**
 * The disks that `lsblk --json --bytes` lists; partitions and what lies on them count for their disk.
 *
 * @param isCard Tells cards from soldered memory among `/dev/mmcblk*`, which lsblk shows alike.
 */
export function parseDevices(json: string, isCard: (path: string) => boolean = () => true): BlockDevice[] {
  const {blockdevices} = Listing.parse(JSON.parse(json));
  return blockdevices
    .filter(({type, size}) => isDisk(type) && size > 0)
    .map((disk) => toDevice(disk, isCard));
}

/** The disk that a partition belongs to; undefined when `path` is none. */
export function findDiskOf(json: string, path: string): string | undefined {
  const {blockdevices} = Listing.parse(JSON.parse(json));
  return blockdevices.find(({children}) => below(children).some((entry) => entry.path === path))?.path;
}

function toDevice(disk: Entry, isCard: (path: string) => boolean): BlockDevice {
  const all = [disk, ...below([...disk.children])];
  const isMmc = /^\/dev\/mmcblk\d+$/.test(disk.path);
  const model = [disk.vendor, disk.model].filter((part) => part !== null && part !== '').join(' ');
  const refusal = findRefusal(disk, all);
  return {
    path: disk.path,
    sizeBytes: disk.size,
    ...(model !== '' && {model}),
    ...transportOf(disk, isMmc),
    isRemovable: isMmc
      ? isCard(disk.path)
      : disk.type !== 'loop' && (disk.rm || disk.hotplug || disk.tran === 'usb'),
    isReadOnly: disk.ro,
    mountPoints: all
      .flatMap(({mounts}) => mounts)
      .sort((a, b) => (a.length === b.length ? (a < b ? -1 : 1) : b.length - a.length)),
    ...(refusal !== undefined && {refusal}),
    labels: all.flatMap(({label}) => (label === null || label === '' ? [] : [label])),
  };
}

function transportOf({tran, type}: Entry, isMmc: boolean): {transport?: string} {
  if (isMmc) return {transport: 'mmc'};
  if (tran !== null && tran !== '') return {transport: tran};
  return type === 'loop' ? {transport: 'loop'} : {};
}

function findRefusal(disk: Entry, all: readonly Entry[]): string | undefined {
  const mounts = all.flatMap((entry) => entry.mounts);
  if (mounts.includes('[SWAP]')) return 'holds swap space in use';
  if (mounts.includes('/')) return 'holds the running system';
  const system = mounts.find((at) =>
    systemFolders.some((folder) => at === folder || at.startsWith(`${folder}/`)),
  );
  if (system !== undefined) return `holds ${system}, a part of the running system`;
  // Encrypted volumes, LVM, RAID, a loop device: what lies on it is in use, mounted or not.
  const layer = all.find((entry) => entry !== disk && entry.type !== 'part');
  if (layer !== undefined) return `is in use by ${layer.path} (${layer.type})`;
  return disk.ro ? 'is write-protected' : undefined;
}

function isDisk(type: string): boolean {
  return type === 'disk' || type === 'loop';
}

function below(entries: readonly Entry[]): Entry[] {
  return entries.flatMap((entry) => [entry, ...below(entry.children)]);
}
