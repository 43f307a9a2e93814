import {Command, Option} from '@commander-js/extra-typings';
import {askPassphrase, passphraseVariable} from '../../ask-passphrase.ts';
import type {CliContext} from '../../context.ts';
import {given, jsonOption} from '../../options.ts';
import {printWarnings} from '../../print-warnings.ts';

/** `hypriotkit bundle create`: signs a description and packs it with further files. */
export const bundleCreateCommand = (context: CliContext) =>
  new Command('create')
    .description('validate and sign a description, and pack it with further files into a .bundle')
    .argument('<description>', 'the description file (.yaml)')
    .argument(
      '[files...]',
      'licences, JSON Schemas (.json, signed too) and whatever else the bundle shall carry',
    )
    .requiredOption('-k, --key <file>', 'private key in PEM form: RSA, or EC on P-256, P-384 or P-521')
    .option('-o, --output-folder <folder>', 'where the bundle is put (default: the current folder)')
    .addOption(
      new Option(
        '--layout <layout>',
        'flat: all files at the top; folder: in <id>_<version>/, with licenses/',
      )
        .choices(['flat', 'folder'] as const)
        .default('flat' as const),
    )
    .option('-f, --force', 'replace an existing bundle and existing .sign files')
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
The passphrase of an encrypted key is taken from ${passphraseVariable}, or asked for.

Examples:
  $ hypriotkit bundle create -k key.pem bundle-description.yaml EULA.txt
  $ hypriotkit bundle create -k key.pem base_1.1.0.yaml required-user.json EULA.txt --layout folder
`,
    )
    .action(async (description, files, {key, json, ...flags}) => {
      const {createBundle} = await import('../../../api/bundle/create.ts');
      const made = await createBundle({
        ...given(flags),
        description,
        files,
        key,
        askPassphrase: () => askPassphrase(key, context),
        onSign: (file, kind) => {
          if (!json) context.stdout.write(`Signing ${kind} file ${file}\n`);
        },
      });
      await printWarnings([...made.issues, ...made.warnings], context);
      if (json)
        context.stdout.write(
          `${JSON.stringify({file: made.file, id: made.id, version: made.version}, null, 2)}\n`,
        );
      else context.stdout.write(`Bundle file ${made.file} successfully created.\n`);
    });
