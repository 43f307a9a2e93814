import {InvalidArgumentError, Option} from '@commander-js/extra-typings';
import {readdir, stat} from 'node:fs/promises';
import {join} from 'node:path';
import {OtaError} from '../../../api/ota/ota-error.ts';
import type {PackerImage} from '../../../api/ota/packer/packer-input.ts';

/** `ECU:PATH[:VERSION]`; a path with a colon in it is written with `\:`. */
export function parseEcuImage(
  text: string,
  previous: readonly PackerImage[] | undefined,
): readonly PackerImage[] {
  const fields = text.split(/(?<!\\):/).map((field) => field.replaceAll('\\:', ':'));
  const [ecuId = '', location = '', version = ''] = fields;
  if (ecuId === '' || location === '' || fields.length > 3) {
    throw new InvalidArgumentError(`Expected ECU:PATH or ECU:PATH:VERSION, got "${text}".`);
  }
  return [...(previous ?? []), {ecuId, location, version}];
}

export const ecuImageOption = () =>
  new Option(
    '--image <ECU:PATH[:VERSION]>',
    'an OTA image and the ECU that it is for (repeatable; a ":" in a path is "\\:")',
  )
    .argParser(parseEcuImage)
    .makeOptionMandatory();

/** The images of a cache source, by argument, then those of a folder by name. Nobody knows their ECUs there. */
export async function collectImages(
  files: readonly string[],
  folder: string | undefined,
): Promise<readonly PackerImage[]> {
  const found = folder === undefined ? [] : await imagesIn(folder);
  return [...files, ...found].map((location, index) => ({ecuId: String(index), location, version: ''}));
}

async function imagesIn(folder: string): Promise<readonly string[]> {
  if (!(await stat(folder).catch(() => undefined))?.isDirectory()) {
    throw new OtaError('INPUT_INVALID', `${folder} is not a folder with images`);
  }
  return (await readdir(folder)).sort().map((name) => join(folder, name));
}
