import {Command, Option} from '@commander-js/extra-typings';
import {PipelineError} from '../../../api/errors.ts';
import type {CliContext} from '../../context.ts';
import {ExitCode} from '../../exit-code.ts';
import {jsonOption} from '../../options.ts';
import {printWarnings} from '../../print-warnings.ts';

/** `hypriotkit bundle verify`: checks a bundle with the public key of who made it. */
export const bundleVerifyCommand = (context: CliContext) =>
  new Command('verify')
    .description('check name, content and signatures of a bundle')
    .argument('<bundle>', 'the .bundle file')
    .addOption(new Option('-k, --key <file>', 'public key in PEM form').conflicts('cert'))
    .addOption(new Option('--cert <file>', 'certificate in PEM form that holds the public key'))
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
Exit status: 0 it is right, 1 it is not, 2 it or the key cannot be read.

Examples:
  $ hypriotkit bundle verify --key public.pem gripper_1.0.0.bundle
`,
    )
    .action(async (file, {key, cert, json}) => {
      const pem = key ?? cert;
      if (pem === undefined) {
        throw new PipelineError('USAGE', 'there is nothing to check the signatures with', {
          hint: 'Add --key with the public key or --cert with the certificate; "bundle inspect" works without.',
        });
      }
      const [{inspectBundle}, {loadVerificationKey}] = await Promise.all([
        import('../../../api/bundle/verify.ts'),
        import('../../../api/bundle/signing-key.ts'),
      ]);
      const report = await inspectBundle(
        file,
        await loadVerificationKey(pem, key === undefined ? 'certificate' : 'key'),
      );
      const ok = report.problems.length === 0;
      if (!ok) context.setExitCode(ExitCode.Failed);
      if (json) {
        context.stdout.write(`${JSON.stringify({...report, ok}, null, 2)}\n`);
        return;
      }
      await printWarnings(report.warnings, context);
      const colors = await context.colors('stderr');
      for (const problem of report.problems) {
        context.stderr.write(`${colors.red('error:')} ${problem}\n`);
      }
      if (ok) context.stdout.write(`Bundle file ${file} successfully verified.\n`);
    });
