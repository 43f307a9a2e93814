import {Command} from '@commander-js/extra-typings';
import type {CliContext} from '../../context.ts';
import {formatBytes} from '../../format.ts';
import {jsonOption} from '../../options.ts';
import {loadOta} from './load-ota.ts';
import {ecuOption, releaseKeyOption} from './options.ts';
import {printJson} from './print.ts';

/** `hypriotkit ota diff`. */
export const diffCommand = (context: CliContext) =>
  new Command('diff')
    .description('what a device that has OLD must download for NEW')
    .argument('<old>', 'the image that the device has: a folder, a .zip artifact, or an http(s) address')
    .argument('<new>', 'the image that it is to get')
    .addOption(ecuOption())
    .addOption(releaseKeyOption())
    .option('--all', 'print every path (default: the 20 that cost most)')
    .addOption(jsonOption())
    .addHelpText('after', '\nExamples:\n  $ hypriotkit ota diff --ecu-id main main-1.0.zip main-1.1.zip\n')
    .action(async (before, after, {ecuId, releaseKey, all, json}) => {
      const {diffImages, ImageReader} = await loadOta();
      await using oldImage = await ImageReader.open(before);
      await using newImage = await ImageReader.open(after);
      const diff = await diffImages(oldImage, newImage, {ecuId, releaseKey});
      if (json) {
        printJson(context, diff);
        return;
      }
      const costly = [...diff.paths].sort((a, b) => b.downloadBytes - a.downloadBytes);
      const shown = all === true ? diff.paths : costly.slice(0, 20);
      const lines = shown.map(
        ({path, downloadBytes}) => `${formatBytes(downloadBytes).padStart(10)}  ${path}`,
      );
      if (shown.length < diff.paths.length)
        lines.push(`${''.padStart(10)}  and ${diff.paths.length - shown.length} more (--all)`);
      lines.push(
        `${diff.paths.length} paths with new content, ${diff.removed.length} removed`,
        `to download: ${diff.blobs} of ${diff.allBlobs} blobs, ${formatBytes(diff.bytes)} of ${formatBytes(diff.allBytes)}`,
      );
      context.stdout.write(`${lines.join('\n')}\n`);
    });
