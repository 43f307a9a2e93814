import {FatEditor, NotAFileError} from '../disk/fat-editor.ts';
import {FatFullError} from '../disk/fat-table.ts';
import {DamagedError} from '../disk/file-system.ts';
import {readPartitionTable} from '../disk/partition-table.ts';
import type {PatchedSource} from '../disk/patched-source.ts';
import {PipelineError} from '../errors.ts';
import {planFiles} from './plan-files.ts';
import type {PreparedPersonalisation} from './prepare-personalisation.ts';

/** What personalising has changed. */
export interface PersonalisedFiles {
  /** Paths on the boot partition. */
  readonly files: readonly string[];
  readonly warnings: readonly string[];
}

export interface PersonaliseDiskOptions {
  /** What to call the disk in messages. */
  readonly label: string;
  /** Seconds since 1970 that the files carry; by default the newest date of the root folder. */
  readonly modifiedAt?: number | undefined;
}

/**
 * Writes a personalisation into the boot partition of a disk, as changes in memory: the disk itself is as it was.
 *
 * @throws PipelineError `USAGE`, `IMAGE_UNUSABLE`; ConfigError
 */
export async function personaliseDisk(
  disk: PatchedSource,
  wanted: PreparedPersonalisation,
  options: PersonaliseDiskOptions,
): Promise<PersonalisedFiles> {
  const {label, modifiedAt} = options;
  try {
    const editor = await openBootPartition(disk, label);
    const readOld = async (path: string) => (await editor.readFile(path))?.toString('utf8');
    const {files, warnings} = await planFiles(wanted, readOld);
    const before = editor.freeBytes;
    for (const [path, content] of files) {
      await editor.writeFile(path, content, modifiedAt).catch((error: unknown) => {
        throw explain(error, {path, before, label});
      });
    }
    await editor.flush();
    return {files: [...files.keys()], warnings};
  } catch (error) {
    if (!(error instanceof DamagedError)) throw error;
    throw new PipelineError('IMAGE_UNUSABLE', `the boot partition of ${label} is damaged: ${error.message}`, {
      cause: error,
      hint: 'Get the image anew.',
    });
  }
}

/**
 * The first partition with a FAT.
 *
 * @throws PipelineError `IMAGE_UNUSABLE`; DamagedError
 */
export async function openBootPartition(disk: PatchedSource, label: string): Promise<FatEditor> {
  for (const {startBytes} of (await readPartitionTable(disk))?.partitions ?? []) {
    const editor = await FatEditor.open(disk, startBytes);
    if (editor !== undefined) return editor;
  }
  throw new PipelineError('IMAGE_UNUSABLE', `${label} has no boot partition with a FAT file system`, {
    hint: 'Leave out the options that change it, or use an image for the Raspberry Pi.',
  });
}

function explain(error: unknown, context: {path: string; before: number; label: string}): unknown {
  const {path, before, label} = context;
  if (error instanceof NotAFileError)
    return new PipelineError('USAGE', `${path} cannot be written to the boot partition: ${error.message}`, {
      cause: error,
    });
  if (!(error instanceof FatFullError)) return error;
  return new PipelineError(
    'USAGE',
    `the boot partition of ${label} is too small: it has ${before} bytes free, ${error.freeBytes} when it is the turn of ${path}, which needs ${error.neededBytes}`,
    {cause: error, hint: 'Leave a file out, or build the image with a larger blank_image.boot_size.'},
  );
}
