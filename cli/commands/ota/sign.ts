import {Command} from '@commander-js/extra-typings';
import type {CliContext} from '../../context.ts';
import {jsonOption} from '../../options.ts';
import {printJson} from './print.ts';
import {
  caCertOption,
  createdOf,
  createdOption,
  forceSignOption,
  imageRootArgument,
  readKey,
  readPem,
  signCertOption,
  signKeyOption,
  signKeyPasswordOption,
} from './write-options.ts';

/** `hypriotkit ota sign`. */
export const signCommand = (context: CliContext) =>
  new Command('sign')
    .description('sign a finalized image: index.jwt, ES256')
    .addArgument(imageRootArgument())
    .addOption(signCertOption().makeOptionMandatory())
    .addOption(signKeyOption().makeOptionMandatory())
    .addOption(signKeyPasswordOption())
    .addOption(caCertOption())
    .addOption(forceSignOption())
    .option('--legacy-compat', 'add certificate.pem and metadata.jwt for otaclients of the legacy format')
    .addOption(createdOption())
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
Examples:
  $ hypriotkit ota sign --sign-cert sign.pem --sign-key sign.key --ca-cert interm.pem ./image
  $ pass show ota/key | hypriotkit ota sign --sign-cert sign.pem --sign-key - ./image
`,
    )
    .action(
      async (
        image,
        {signCert, signKey, signKeyPasswd, caCert = [], forceSign, legacyCompat, created, json},
      ) => {
        const {signImage} = await import('../../../api/ota/image/index.ts');
        const result = await signImage({
          image,
          key: await readKey(context, signKey),
          passphrase: signKeyPasswd ?? context.env['HYPRIOTKIT_SIGN_KEY_PASSWORD'],
          certificate: await readPem(signCert, 'The certificate'),
          intermediates: await Promise.all(caCert.map((path) => readPem(path, 'The certificate'))),
          force: forceSign,
          legacyCompat,
          signedAt: createdOf(context, created),
        });
        if (json) printJson(context, result);
        else context.stdout.write('OTA image is signed successfully!\n');
      },
    );
