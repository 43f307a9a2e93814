import type {CommandUnknownOpts} from '@commander-js/extra-typings';
import type {CliContext} from '../../context.ts';
import {packCacheSrcCommand} from './pack-cache-src.ts';
import {packOfflineBundleCommand} from './pack-offline-bundle.ts';

/** The commands that pack images for media, named and spelt like those of the reference's `images_packer`, too. */
export const packingCommands = (context: CliContext): readonly CommandUnknownOpts[] => [
  packCacheSrcCommand(context),
  packOfflineBundleCommand(context),
];
