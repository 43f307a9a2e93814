import type {CommandUnknownOpts} from '@commander-js/extra-typings';
import type {CliContext} from '../../context.ts';
import {addImageCommand} from './add-image.ts';
import {addOtaclientPackageCommand, addOtaclientPackageLegacyCommand} from './add-otaclient-package.ts';
import {buildAnnotationCommand} from './build-annotation.ts';
import {buildExcludeCfgCommand} from './build-exclude-cfg.ts';
import {buildOtaCommand} from './build.ts';
import {diffCommand} from './diff.ts';
import {finalizeCommand} from './finalize.ts';
import {initCommand} from './init.ts';
import {packArtifactCommand} from './pack-artifact.ts';
import {prepareSysimgCommand} from './prepare-sysimg.ts';
import {signFinishCommand, signPrepareCommand} from './sign-external.ts';
import {signCommand} from './sign.ts';

/** The commands that make images; all but `build` and `diff` are named and spelt like those of `ota-image-builder`. */
export const writingCommands = (context: CliContext): readonly CommandUnknownOpts[] => [
  buildOtaCommand(context),
  initCommand(context),
  prepareSysimgCommand(context),
  buildAnnotationCommand(context),
  buildExcludeCfgCommand(context),
  addImageCommand(context),
  addOtaclientPackageCommand(context),
  addOtaclientPackageLegacyCommand(context),
  finalizeCommand(context),
  signCommand(context),
  signPrepareCommand(context),
  signFinishCommand(context),
  packArtifactCommand(context),
  diffCommand(context),
];
