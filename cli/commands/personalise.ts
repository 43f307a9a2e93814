import {Command} from '@commander-js/extra-typings';
import type {CliContext} from '../context.ts';
import {given, jsonLinesOption} from '../options.ts';
import {personaliseHelp, personaliseOptions, readPersonalisation} from '../personalise-options.ts';
import {reportFlash} from '../report-flash.ts';

/** `hypriotkit personalise`: changes the boot partition inside an image file. */
export const personaliseCommand = (context: CliContext) => {
  const command = new Command('personalise')
    .description('set host name, WiFi, SSH keys and files inside an image, without mounting it')
    .argument('<image>', 'an .img; with --output also .zip, .gz, .xz, .zst, a URL, or a folder with an .img')
    .option('-o, --output <file>', 'leave the image as it is and write a changed copy')
    .addOption(jsonLinesOption());
  for (const option of personaliseOptions()) command.addOption(option);
  return command
    .addHelpText(
      'after',
      `${personaliseHelp}
A .bmap and a .sha256 beside the image are made anew.

Examples:
  $ hypriotkit personalise hypriotos.img --hostname reef --ssh-key ~/.ssh/id_ed25519.pub
  $ hypriotkit personalise hypriotos.img.zip -o reef.img --userdata reef.yaml --file notes.txt:docs/notes.txt
`,
    )
    .action(async (image, flags) => {
      const {output, json, ...rest} = flags;
      const personalisation = await readPersonalisation(rest, context);
      const {personalise} = await context.loadApi();
      const result = await reportFlash(context, {json}, ({onEvent, signal}) =>
        personalise({...given({output}), image, personalisation, onEvent, signal}),
      );
      if (json) return;
      for (const file of result.files) context.stderr.write(`${context.symbols.done} ${file}\n`);
      context.stdout.write(`${result.path}\n`);
    });
};
