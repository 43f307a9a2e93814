import {open} from 'node:fs/promises';
import {resolve} from 'node:path';
import {PatchedSource, type Patch} from '../disk/patched-source.ts';
import {PipelineError} from '../errors.ts';
import {personaliseDisk} from '../personalise/personalise-disk.ts';
import {isPersonal} from '../personalise/personalisation.ts';
import {preparePersonalisation} from '../personalise/prepare-personalisation.ts';
import {sourceDateEpoch} from '../pipeline/source-date-epoch.ts';
import {flash} from './flash.ts';
import type {PersonaliseOptions, PersonaliseResult} from './flash-options.ts';
import {needsOutput, openImage} from './open-image.ts';
import {updateCompanions} from './update-companions.ts';

/**
 * Writes a personalisation into the boot partition of an image file, or of a copy of it. Everything is checked before
 * the first byte is written. A `.bmap` and a `.sha256` beside the image are made anew.
 *
 * @example
 * await personalise({image: 'hypriotos.img', personalisation: {hostname: 'reef', sshKeys: ['id_ed25519.pub']}});
 * @throws PipelineError `USAGE`, `IMAGE_UNUSABLE`, `FLASH_FAILED`; ConfigError for files of cloud-init
 */
export async function personalise(options: PersonaliseOptions): Promise<PersonaliseResult> {
  const {image, output, personalisation} = options;
  if (!isPersonal(personalisation))
    throw new PipelineError('USAGE', 'there is nothing to change', {
      hint: 'Say what, as --hostname reef or --ssh-key ~/.ssh/id_ed25519.pub.',
    });
  if (output !== undefined && resolve(output) !== resolve(image)) {
    if (resolve(output).startsWith('/dev/'))
      throw new PipelineError('USAGE', `${output} is a device, not a file to make`, {
        hint: 'Write to a card with: hypriotkit flash IMAGE DEVICE',
      });
    const {files, device} = await flash({...options, device: output});
    return {path: device, files};
  }
  return personaliseInPlace(options);
}

async function personaliseInPlace({
  image,
  personalisation,
  onEvent,
  signal,
}: PersonaliseOptions): Promise<PersonaliseResult> {
  const emit = onEvent ?? (() => undefined);
  const modifiedAt = sourceDateEpoch(process.env);
  const wanted = await preparePersonalisation(personalisation);
  if (/^https?:\/\//i.test(image)) throw needsOutput(image, 'lies on a server');
  await using opened = await openImage(image, {
    emit,
    signal: signal ?? new AbortController().signal,
    mustBePlain: true,
  });
  const disk = new PatchedSource(opened.source);
  const {files, warnings} = await personaliseDisk(disk, wanted, {label: image, modifiedAt});
  for (const message of warnings) emit({type: 'notice', level: 'warning', message});
  signal?.throwIfAborted();
  await writePatches(opened.path, disk.patches);
  await updateCompanions(opened.path);
  return {path: opened.path, files};
}

/** From the back to the front: content first, then the folders and the allocation table that make it part of a file. */
async function writePatches(path: string, patches: readonly Patch[]): Promise<void> {
  const file = await open(path, 'r+').catch((error: unknown) => {
    throw new PipelineError('IMAGE_UNUSABLE', `${path} cannot be changed: ${(error as Error).message}`, {
      cause: error,
      hint: 'Write a changed copy: --output FILE',
    });
  });
  try {
    for (const {offset, bytes} of patches.toReversed()) {
      for (let done = 0; done < bytes.length;)
        done += (await file.write(bytes, done, bytes.length - done, offset + done)).bytesWritten;
    }
    await file.sync();
  } finally {
    await file.close();
  }
}
