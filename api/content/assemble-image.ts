import {rm, stat, truncate} from 'node:fs/promises';
import {stringify} from 'yaml';
import {formatByteSize} from '../../configs/human-units.ts';
import {FileSource} from '../disk/byte-source.ts';
import {Ext4Writer} from '../disk/ext4-writer.ts';
import {UnsupportedExt4Error} from '../disk/ext4-superblock.ts';
import {FatFullError} from '../disk/fat-table.ts';
import {DamagedError} from '../disk/file-system.ts';
import {setPartitionSize} from '../disk/grow-partition.ts';
import {PatchedSource} from '../disk/patched-source.ts';
import {RandomFile} from '../disk/random-file.ts';
import {PipelineError} from '../errors.ts';
import {openBootPartition} from '../personalise/personalise-disk.ts';
import type {ContentFile} from './content-config.ts';
import {inPhase, type ContentListener} from './content-event.ts';
import {E2fs} from './e2fs.ts';
import {Filler, type FilledItem, type FillItem} from './fill.ts';
import type {ImageLayout} from './image-layout.ts';
import type {ExportedImage} from './oci-images.ts';
import {describeLargest, type SizedItem} from './sizes.ts';
import {insertPartition, unpackBase, type UnpackTarget} from './unpack-base.ts';

/** Everything that an image is made of, at hand. */
export interface Assembly {
  readonly base: string;
  readonly layout: ImageLayout;
  readonly imageBytes: number;
  /** Nobody asked for this very size: it may be larger where the base has less room than it should. */
  readonly mayGrow: boolean;
  readonly maxBytes: number | undefined;
  readonly images: readonly ExportedImage[];
  readonly files: readonly {
    readonly file: ContentFile;
    readonly path: string | undefined;
    readonly name: string;
  }[];
  readonly items: readonly SizedItem[];
  readonly offspot: Readonly<Record<string, unknown>> | undefined;
  /** Seconds since 1970. */
  readonly now: number;
}

export interface AssembledImage {
  readonly imageBytes: number;
  readonly contents: readonly FilledItem[];
  /** Left for content. */
  readonly freeBytes: number;
}

interface AssembleOptions {
  readonly emit: ContentListener;
  readonly signal: AbortSignal;
}

const sectorBytes = 512;
const blockBytes = 4096;
/** Folders, and blocks that lead to other blocks. */
const slackBytes = 1024 * 1024;

/**
 * Makes the image in new files; what is left of `target.partition` is removed.
 *
 * @throws PipelineError
 */
export async function assembleImage(
  assembly: Assembly,
  target: UnpackTarget,
  {emit, signal}: AssembleOptions,
): Promise<AssembledImage> {
  const {layout, now} = assembly;
  const e2fs = new E2fs(now, signal);
  const {startBytes, number} = layout.partition;
  let imageBytes = assembly.imageBytes;
  try {
    await rm(target.partition, {force: true});
    await inPhase('unpack', emit, (report) => unpackBase(assembly.base, layout, target, {report, signal}));
    imageBytes = await inPhase('resize', emit, async () => {
      if (await e2fs.repair({path: target.partition, startBytes: 0}))
        emit({
          type: 'notice',
          level: 'warning',
          message: 'the data partition of the base had to be repaired: it was not unmounted cleanly',
        });
      const size = await growToFit(assembly, target.partition, e2fs);
      await insertPartition(target.image, startBytes, target.partition);
      await rm(target.partition);
      await truncate(target.image, size);
      return size;
    });
  } finally {
    await rm(target.partition, {force: true});
  }
  const partitionBytes = imageBytes - startBytes;
  {
    await using disk = await RandomFile.open(target.image);
    await setPartitionSize(disk, number, partitionBytes);
  }
  const filled = await inPhase('fill', emit, async (report) => {
    await using file = await RandomFile.open(target.image, {start: startBytes, length: partitionBytes});
    const writer = await openWriter(file, now);
    const prefix = await findPrefix(writer, layout, assembly.base);
    const filler = new Filler(writer, {prefix, now, signal, report});
    const contents: FilledItem[] = [];
    for (const item of itemsOf(assembly)) contents.push(await filler.add(item));
    await writer.finish();
    return {contents, freeBytes: writer.freeBytes, needsIndex: writer.needsIndex};
  });
  await writeOffspot(target.image, assembly);
  await inPhase('verify', emit, async () => {
    const place = {path: target.image, startBytes};
    if (filled.needsIndex) await e2fs.indexFolders(place);
    await e2fs.verify(place);
    if ((await stat(target.image)).size !== imageBytes)
      throw new Error('e2fsck has changed the size of the image');
  });
  return {imageBytes, contents: filled.contents, freeBytes: filled.freeBytes};
}

function itemsOf({images, files}: Assembly): readonly FillItem[] {
  return [
    ...images.map(({image, tarBytes, open}) => ({
      kind: 'stream' as const,
      to: image.to,
      name: `${image.field} ${image.name}`,
      sizeBytes: tarBytes,
      open,
    })),
    ...files.map((one) => ({kind: 'file' as const, ...one})),
  ];
}

/** Grows the file system to its part of the image, and further while what has to go in does not fit. */
async function growToFit(assembly: Assembly, partition: string, e2fs: E2fs): Promise<number> {
  const {layout, now, mayGrow, maxBytes} = assembly;
  const needed = neededBytes(assembly);
  for (let imageBytes = assembly.imageBytes; ;) {
    await truncate(partition, imageBytes - layout.partition.startBytes);
    await e2fs.fillFile(partition);
    const {freeBytes} = await withWriter(partition, now, (writer) => ({freeBytes: writer.freeBytes}));
    const short = needed - freeBytes;
    if (short <= 0) return imageBytes;
    // A larger file system needs more for itself, too.
    const larger = Math.ceil((imageBytes + short * 1.06 + slackBytes) / sectorBytes) * sectorBytes;
    if (!mayGrow || (maxBytes !== undefined && larger > maxBytes))
      throw new PipelineError(
        'CONTENT_TOO_LARGE',
        `the content does not fit: it needs ${formatByteSize(needed)}, and the file system has room for ${formatByteSize(freeBytes)} (${short} bytes too few)`,
        {
          hint: [
            'The largest of the content:',
            ...describeLargest(assembly.items),
            'Ask for a larger image, or leave something out.',
          ].join('\n'),
        },
      );
    imageBytes = larger;
  }
}

/** Blocks that the content takes for sure; what archives unpack to may be more. */
function neededBytes({images, files, items}: Assembly): number {
  const sizes = [
    ...images.map(({tarBytes}) => tarBytes),
    ...files.map(({name}) => items.find((item) => item.name === name)?.bytes ?? 0),
  ];
  return sizes.reduce((sum, bytes) => sum + Math.ceil(bytes / blockBytes) * blockBytes, slackBytes / 4);
}

async function withWriter<T>(path: string, now: number, work: (writer: Ext4Writer) => T): Promise<T> {
  await using file = await RandomFile.open(path);
  return work(await openWriter(file, now));
}

async function openWriter(file: RandomFile, now: number): Promise<Ext4Writer> {
  try {
    return await Ext4Writer.open(file, {now});
  } catch (error) {
    if (!(error instanceof DamagedError || error instanceof UnsupportedExt4Error)) throw error;
    throw new PipelineError(
      'IMAGE_UNUSABLE',
      `the data partition of the base cannot be written to: ${error.message}`,
      {
        cause: error,
        hint: 'It has to be an ext4 as mke2fs makes it.',
      },
    );
  }
}

async function findPrefix(writer: Ext4Writer, {dataFolder}: ImageLayout, base: string): Promise<string> {
  if (dataFolder === '/') return '';
  if ((await writer.find('/etc/fstab')) === 'file') return dataFolder;
  throw new PipelineError(
    'IMAGE_UNUSABLE',
    `the base ${base} has no third partition for data, and its last one is no root file system`,
    {
      hint: 'A base image has a boot, a root and a data partition; or the root partition is the last one, and gets a folder /data.',
    },
  );
}

/** As the device reads it: /offspot.yaml on the boot partition, keys sorted. */
async function writeOffspot(image: string, {offspot, now, base}: Assembly): Promise<void> {
  if (offspot === undefined) return;
  const text = stringify(offspot, {sortMapEntries: true, lineWidth: 0, aliasDuplicateObjects: false});
  await using source = await FileSource.open(image);
  const disk = new PatchedSource(source);
  try {
    const editor = await openBootPartition(disk, `the base ${base}`);
    await editor.writeFile('offspot.yaml', Buffer.from(text), now);
    await editor.flush();
  } catch (error) {
    if (error instanceof FatFullError)
      throw new PipelineError(
        'CONTENT_TOO_LARGE',
        `the boot partition has no room for offspot.yaml (${text.length} bytes)`,
        {cause: error},
      );
    if (error instanceof DamagedError)
      throw new PipelineError(
        'IMAGE_UNUSABLE',
        `the boot partition of the base is damaged: ${error.message}`,
        {cause: error},
      );
    throw error;
  }
  await using file = await RandomFile.open(image);
  for (const {offset, bytes} of disk.patches) await file.write(offset, bytes);
  await file.sync();
}
