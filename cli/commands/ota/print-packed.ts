import type {BundleManifest} from '../../../api/ota/packer/bundle-plan.ts';
import type {CliContext} from '../../context.ts';
import {printJson} from './print.ts';
import {formatBytes, formatCount} from '../../format.ts';

/** The result of packing on stdout, what is in it on stderr; with `json` both on stdout. */
export function printPacked(
  place: string,
  manifest: BundleManifest,
  context: CliContext,
  json: boolean | undefined,
): void {
  if (json) {
    printJson(context, {output: place, manifest});
    return;
  }
  const {image_meta: images, data_files_num: files, data_size: bytes} = manifest;
  context.stderr.write(
    `${formatCount(images.length, 'image')}, ${formatCount(files, 'file')}, ${formatBytes(bytes)}\n`,
  );
  context.stdout.write(`${place}\n`);
}
