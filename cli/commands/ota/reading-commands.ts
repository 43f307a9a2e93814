import type {CommandUnknownOpts} from '@commander-js/extra-typings';
import type {CliContext} from '../../context.ts';
import {deployImageCommand} from './deploy-image.ts';
import {getFiletableCommand} from './get-filetable.ts';
import {getResourcetableCommand} from './get-resourcetable.ts';
import {inspectBlobCommand} from './inspect-blob.ts';
import {inspectIndexCommand} from './inspect-index.ts';
import {listImageCommand} from './list-image.ts';
import {lookupImageCommand} from './lookup-image.ts';
import {verifyResourcesCommand} from './verify-resources.ts';
import {verifySignCommand} from './verify-sign.ts';
import {versionCommand} from './version.ts';

/** The commands that read images, named and spelt like those of the reference's `ota-image-tools`. */
export const readingCommands = (context: CliContext): readonly CommandUnknownOpts[] => [
  versionCommand(context),
  listImageCommand(context),
  inspectIndexCommand(context),
  inspectBlobCommand(context),
  lookupImageCommand(context),
  getFiletableCommand(context),
  getResourcetableCommand(context),
  verifySignCommand(context),
  verifyResourcesCommand(context),
  deployImageCommand(context),
];
