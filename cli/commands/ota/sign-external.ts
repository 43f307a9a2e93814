import {readFile} from 'node:fs/promises';
import {Command} from '@commander-js/extra-typings';
import type {CliContext} from '../../context.ts';
import {
  caCertOption,
  createdOf,
  createdOption,
  forceSignOption,
  imageRootArgument,
  readAll,
  readPem,
  signCertOption,
} from './write-options.ts';

/** `hypriotkit ota sign-with-aws-kms-prepare`. */
export const signPrepareCommand = (context: CliContext) =>
  new Command('sign-with-aws-kms-prepare')
    .description('first step of signing with a key that is elsewhere: print what to sign, as JSON')
    .addArgument(imageRootArgument())
    .addOption(signCertOption().makeOptionMandatory())
    .addOption(caCertOption())
    .addOption(forceSignOption())
    .addOption(createdOption())
    .addHelpText(
      'after',
      '\nThe image does not change yet.\n\nExamples:\n  $ hypriotkit ota sign-with-aws-kms-prepare --sign-cert sign.pem ./image >request.json\n',
    )
    .action(async (image, {signCert, caCert = [], forceSign, created}) => {
      const {prepareExternalSignature} = await import('../../../api/ota/image/index.ts');
      const request = await prepareExternalSignature({
        image,
        certificate: await readPem(signCert, 'The certificate'),
        intermediates: await Promise.all(caCert.map((path) => readPem(path, 'The certificate'))),
        force: forceSign,
        signedAt: createdOf(context, created),
      });
      context.stdout.write(`${JSON.stringify(request)}\n`);
    });

/** `hypriotkit ota sign-with-aws-kms-finish`. */
export const signFinishCommand = (context: CliContext) =>
  new Command('sign-with-aws-kms-finish')
    .description(
      'second step: check the signature that came back, print index.jwt, and put it into the image',
    )
    .argument('<answer>', 'the JSON text, a file with it, or - for standard input')
    .option('--image-root <folder>', 'the image to sign')
    .addHelpText(
      'after',
      '\nExamples:\n  $ hypriotkit ota sign-with-aws-kms-finish --image-root ./image answer.json\n',
    )
    .action(async (answer, {imageRoot}) => {
      const {finishExternalSignature} = await import('../../../api/ota/image/index.ts');
      const text = answer.trimStart().startsWith('{')
        ? answer
        : answer === '-'
          ? await readAll(context.stdin)
          : await readFile(answer, 'utf8').catch(() => answer);
      context.stdout.write(await finishExternalSignature(text, imageRoot));
    });
