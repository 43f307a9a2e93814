import {resolve} from 'node:path';
import {joinRanges, subtractRanges, sumRanges} from '../disk/byte-range.ts';
import type {BlockMap, MappedRange} from '../disk/bmap.ts';
import {PatchedSource} from '../disk/patched-source.ts';
import {PipelineError} from '../errors.ts';
import {personaliseDisk} from '../personalise/personalise-disk.ts';
import {isPersonal} from '../personalise/personalisation.ts';
import {preparePersonalisation} from '../personalise/prepare-personalisation.ts';
import {sourceDateEpoch} from '../pipeline/source-date-epoch.ts';
import type {FlashOptions, FlashPlan, FlashResult} from './flash-options.ts';
import {findBlockMap, openImage} from './open-image.ts';
import {findTarget, type Target} from './target.ts';
import {writeTarget} from './write-target.ts';

/**
 * Writes an image to a card, reads it back and compares. Only what the image uses is written. A personalisation changes
 * what the card gets, never the image. Everything is checked before the first byte is written.
 *
 * @example
 * await flash({image: 'out/hypriotos-rpi64-latest.img', device: '/dev/sdb', personalisation: {hostname: 'reef'}});
 * @throws PipelineError `USAGE`, `IMAGE_UNUSABLE`, `DEVICE_UNUSABLE`, `DOWNLOAD_FAILED`, `FLASH_FAILED`, `INTERRUPTED`;
 *   ConfigError for files of cloud-init
 */
export async function flash(options: FlashOptions): Promise<FlashResult> {
  const {device, personalisation, allowNonRemovable = false} = options;
  const emit = options.onEvent ?? (() => undefined);
  const signal = options.signal ?? new AbortController().signal;
  const modifiedAt = sourceDateEpoch(process.env);
  const wanted = isPersonal(personalisation) ? await preparePersonalisation(personalisation) : undefined;
  const target = await findTarget(device, allowNonRemovable);
  await using image = await openImage(options.image, {emit, signal});
  if (resolve(image.path) === resolve(target.path))
    throw new PipelineError('USAGE', 'the image and the device are the same file', {
      hint: 'To change an image in its place: hypriotkit personalise IMAGE',
    });
  checkSize(target, image.source.sizeBytes, image.label);
  const disk = new PatchedSource(image.source);
  const map = await findBlockMap(image);
  const {files, warnings} =
    wanted === undefined
      ? {files: [], warnings: []}
      : await personaliseDisk(disk, wanted, {label: image.label, modifiedAt});
  for (const message of warnings) emit({type: 'notice', level: 'warning', message});
  const ranges = withPatches(map, disk);
  const plan = planOf(image.label, target, {
    imageBytes: map.imageBytes,
    mappedBytes: sumRanges(ranges),
    files,
  });
  const common = {device: target.path, imageBytes: map.imageBytes, files};
  if (options.confirm !== undefined && !(await options.confirm(plan)))
    return {...common, isWritten: false, writtenBytes: 0, writeMs: 0, verifyMs: 0};
  signal.throwIfAborted();
  const written = await writeTarget({
    target,
    image: image.source,
    label: image.label,
    disk,
    ranges,
    emit,
    signal,
  });
  return {...common, isWritten: true, ...written};
}

/** The ranges of a map, and what has changed outside them. */
export function withPatches({imageBytes, ranges}: BlockMap, disk: PatchedSource): MappedRange[] {
  const added = disk.patches
    .map(({offset, bytes}) => ({start: offset, end: offset + bytes.length}))
    .filter(({start, end}) => !ranges.some((range) => range.start <= start && end <= range.end));
  if (added.length === 0) return [...ranges];
  const widened = joinRanges(added, {blockBytes: 4096, sizeBytes: imageBytes});
  // A part that a range of the map covers is written with that range.
  const outside = subtractRanges(widened, ranges);
  return [...ranges, ...outside.map((range) => ({...range, sha256: undefined}))].sort(
    (a, b) => a.start - b.start,
  );
}

function checkSize({path, device}: Target, imageBytes: number, image: string): void {
  if (device === undefined || imageBytes <= device.sizeBytes) return;
  throw new PipelineError(
    'DEVICE_UNUSABLE',
    `${path} is too small: ${image} has ${imageBytes} bytes, and it has room for ${device.sizeBytes}`,
    {hint: 'Take a larger card, or build a smaller image (blank_image.size). Nothing was written.'},
  );
}

function planOf(
  image: string,
  {path, device}: Target,
  sizes: Pick<FlashPlan, 'imageBytes' | 'mappedBytes' | 'files'>,
): FlashPlan {
  return {
    image,
    device: path,
    ...sizes,
    ...(device !== undefined && {deviceBytes: device.sizeBytes}),
    ...(device?.model !== undefined && {deviceModel: device.model}),
    labels: device?.labels ?? [],
    mountPoints: device?.mountPoints ?? [],
  };
}
