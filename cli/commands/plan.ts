import {Option} from '@commander-js/extra-typings';
import type {CliContext} from '../context.ts';
import {
  cacheFromOption,
  cacheTrustOption,
  given,
  insecureOption,
  jsonOption,
  projectCommand,
} from '../options.ts';

/** `hypriotkit plan`: what a build would do, and why. */
export const planCommand = (context: CliContext) =>
  projectCommand(
    'plan',
    'show what a build would run and why, without running it',
    'what to plan for (default: what configs.json lists, or everything)',
  )
    .addOption(cacheFromOption())
    .addOption(cacheTrustOption())
    .addOption(insecureOption())
    .addOption(jsonOption())
    .addOption(new Option('--dot', 'print the graph for Graphviz').conflicts('json'))
    .addHelpText(
      'after',
      `
Examples:
  $ hypriotkit plan --target ./out
  $ hypriotkit plan --dot | dot -Tsvg >plan.svg
  $ hypriotkit plan rpi_sd_image --json | jq '.steps[] | select(.action == "run").step'
`,
    )
    .action(async (components, {json, dot, insecure, ...flags}) => {
      const signal = context.interrupt.listen();
      const {plan} = await context.loadApi();
      const result = await plan({
        ...given({...flags, insecureRegistries: insecure}),
        ...(components.length > 0 && {components}),
        signal,
      });
      if (json) {
        context.stdout.write(`${JSON.stringify(result, null, 2)}\n`);
        return;
      }
      if (dot) {
        const {renderDot} = await import('../results/render-dot.ts');
        context.stdout.write(`${renderDot(result).join('\n')}\n`);
        return;
      }
      const {renderPlan} = await import('../results/render-plan.ts');
      const lines = renderPlan(result, {
        columns: context.stdout.columns || 80,
        colors: await context.colors('stdout'),
        symbols: context.symbols,
      });
      context.stdout.write(`${lines.join('\n')}\n`);
    });
