import {link, lstat, rename, rm} from 'node:fs/promises';
import {basename, dirname, join} from 'node:path';
import {PipelineError} from '../errors.ts';

/** What happens to a file that is there already. */
export interface PublishOptions {
  readonly force?: boolean | undefined;
}

/**
 * Lets `write` make a file under a temporary name beside `path`, and gives it its name when it is complete. If `write`
 * fails nothing is left, and what was at `path` before is as it was.
 *
 * @throws PipelineError `OUTPUT_EXISTS` when there is something and `force` is not set.
 */
export async function publishFile(
  path: string,
  options: PublishOptions,
  write: (temporary: string) => Promise<void>,
): Promise<void> {
  await refuseExisting(path, options);
  const temporary = join(dirname(path), `.${basename(path)}.${process.pid}.partial`);
  await rm(temporary, {force: true});
  try {
    await write(temporary);
    if (options.force) {
      await rename(temporary, path);
    } else {
      // A link fails where a rename would replace what somebody else has made meanwhile.
      await link(temporary, path).catch((error: unknown) => {
        throw codeOf(error) === 'EEXIST' ? outputExists(path) : error;
      });
    }
  } catch (error) {
    if (codeOf(error) === 'ENOENT' && !(await exists(dirname(path)))) {
      throw new PipelineError('OUTPUT_UNUSABLE', `the folder ${dirname(path)} does not exist`, {
        hint: 'Create it first, or name another place.',
        cause: error,
      });
    }
    if (['ENOSPC', 'EACCES', 'EPERM', 'EROFS', 'EDQUOT', 'ENOTDIR'].includes(codeOf(error) ?? '')) {
      throw new PipelineError('OUTPUT_UNUSABLE', `${path} cannot be written: ${reason(error)}`, {
        hint: 'Name a place with enough room that this user may write to.',
        cause: error,
      });
    }
    throw error;
  } finally {
    await rm(temporary, {force: true}).catch(() => undefined);
  }
}

/** @throws PipelineError `OUTPUT_EXISTS` */
export async function refuseExisting(path: string, options: PublishOptions): Promise<void> {
  if (!options.force && (await exists(path))) throw outputExists(path);
}

function outputExists(path: string): PipelineError {
  return new PipelineError('OUTPUT_EXISTS', `${path} exists already`, {
    hint: 'Remove it, name another file, or add --force to replace it.',
  });
}

async function exists(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    () => false,
  );
}

function reason(error: unknown): string {
  const reasons: Readonly<Record<string, string>> = {
    ENOSPC: 'the disk is full',
    EDQUOT: 'the disk quota is used up',
    EACCES: 'permission denied',
    EPERM: 'permission denied',
    EROFS: 'the file system is read-only',
    ENOTDIR: 'a part of its path is not a folder',
  };
  const code = codeOf(error) ?? '';
  return reasons[code] ?? code;
}

function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code;
}
