import type {CliContext} from '../context.ts';
import {given, jsonOption, projectCommand} from '../options.ts';

/** `hypriotkit explain`: why a build would run a step or not, with every input. */
export const explainCommand = (context: CliContext) =>
  projectCommand(
    'explain',
    'show everything that decides whether a step runs, and what changed since it ran last',
    'what to explain (default: what configs.json lists, or everything)',
  )
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
Examples:
  $ hypriotkit explain root_fs --target ./out
  $ hypriotkit explain --json | jq '.steps[] | {step, changed: [.inputs[] | select(.changed).name]}'
`,
    )
    .action(async (components, {json, ...flags}) => {
      const signal = context.interrupt.listen();
      const {explain} = await context.loadApi();
      const result = await explain({...given(flags), ...(components.length > 0 && {components}), signal});
      if (json) {
        context.stdout.write(`${JSON.stringify(result, null, 2)}\n`);
        return;
      }
      const {renderExplanation} = await import('../results/render-explanation.ts');
      const lines = renderExplanation(result, {
        colors: await context.colors('stdout'),
        symbols: context.symbols,
      });
      context.stdout.write(`${lines.join('\n')}\n`);
    });
