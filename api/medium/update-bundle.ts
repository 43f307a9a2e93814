import type {KeyObject} from 'node:crypto';
import {stat} from 'node:fs/promises';
import {basename, dirname, join} from 'node:path';
import {checkBundleImages, imagesOf} from '../bundle/images.ts';
import {imagesName} from '../bundle/names.ts';
import {inspectBundle} from '../bundle/verify.ts';
import {PipelineError} from '../errors.ts';

/** A file that goes onto a medium as it is. */
export interface Copy {
  /** Its name there. */
  readonly name: string;
  readonly location: string;
  readonly sizeBytes: number;
  /** How many container images it holds; undefined for what is no archive of them. */
  readonly images?: number;
}

/** An update-agent bundle and the archive that it needs where there is no network. */
export interface UpdateBundle {
  /** `gripper 1.0.0 (addon)`. */
  readonly what: string;
  readonly copies: readonly Copy[];
  readonly warnings: readonly string[];
}

/**
 * Checks bundles and the archives of their images, which the update agent looks for under names of their own.
 *
 * @param key Without it signatures must be there, but are not checked.
 * @throws PipelineError `BUNDLE_INVALID` with all that is wrong, `INPUT_UNREADABLE`
 */
export async function findUpdateBundles(
  files: readonly string[],
  key: KeyObject | undefined,
): Promise<readonly UpdateBundle[]> {
  const found: UpdateBundle[] = [];
  const names = new Set<string>();
  for (const file of files) {
    const name = basename(file);
    if (names.has(name)) throw invalid(`there are two bundles of the name ${name}`);
    names.add(name);
    found.push(await findOne(file, key));
  }
  return found;
}

async function findOne(file: string, key: KeyObject | undefined): Promise<UpdateBundle> {
  const {description, problems, warnings} = await inspectBundle(file, key);
  if (description === undefined || problems.length > 0) {
    throw invalid(`${file} is no bundle that an update agent takes: ${problems.join('; ')}`);
  }
  const {id, version, type} = description;
  const copies: Copy[] = [await copyOf(file)];
  const needed = imagesOf(description).length;
  if (needed > 0) {
    const archive = join(dirname(file), imagesName(description));
    if (!(await stat(archive).catch(() => undefined))?.isFile()) {
      throw invalid(
        `${file} needs ${needed === 1 ? 'an image' : `${needed} images`}, and there is no ${archive}`,
        `Make it: hypriotkit bundle images ${file}`,
      );
    }
    const {missing, extra, images} = await checkBundleImages({file, output: archive});
    if (missing.length > 0) {
      throw invalid(
        `${archive} lacks ${missing.join(', ')}`,
        `Make it again: hypriotkit bundle images --force ${file}`,
      );
    }
    copies.push({...(await copyOf(archive)), images: images.length});
    return {
      what: `${id} ${version} (${type})`,
      copies,
      warnings: [...warnings, ...extra.map((name) => `${archive} has an image that is not needed: ${name}`)],
    };
  }
  return {what: `${id} ${version} (${type})`, copies, warnings};
}

async function copyOf(location: string): Promise<Copy> {
  return {name: basename(location), location, sizeBytes: (await stat(location)).size};
}

function invalid(message: string, hint?: string): PipelineError {
  return new PipelineError('BUNDLE_INVALID', message, {hint});
}
