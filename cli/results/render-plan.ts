import type {ChalkInstance} from 'chalk';
import type {PlannedStep} from '../../api/events/event.ts';
import type {Plan} from '../../api/options.ts';
import {formatCount} from '../format.ts';
import type {Symbols} from '../symbols.ts';
import {padEnd, widthOf, wrap} from '../text.ts';

interface PlanStyle {
  readonly columns: number;
  readonly colors: ChalkInstance;
  readonly symbols: Symbols;
}

/** A plan for people: each step in the order in which it may run, what it needs, and why it would run. */
export function renderPlan(plan: Plan, style: PlanStyle): string[] {
  const nameWidth = Math.max(0, ...plan.steps.map(({step}) => widthOf(step)));
  const runs = plan.steps.filter(({action}) => action === 'run').length;
  const place = plan.steps.some(({from}) => from !== undefined)
    ? `in the volume ${plan.volume} or in a registry`
    : `in the volume ${plan.volume}`;
  const total =
    runs === 0
      ? `nothing to do: all ${formatCount(plan.steps.length, 'step')} are ${place}`
      : `${runs} of ${formatCount(plan.steps.length, 'step')} would run; volume ${plan.volume}`;
  return [...plan.steps.flatMap((step) => renderStep(step, nameWidth, style)), '', total];
}

function renderStep(step: PlannedStep, nameWidth: number, {columns, colors, symbols}: PlanStyle): string[] {
  const willRun = step.action === 'run';
  const sign = willRun ? colors.yellow(symbols.run) : colors.green(symbols.done);
  const what = willRun ? 'run   ' : step.from === undefined ? 'stored' : 'cached';
  const margin = ' '.repeat(nameWidth + 12);
  const details = [
    ...step.reasons.map((reason) => ({text: reason, style: (text: string) => text})),
    ...(step.from === undefined ? [] : [{text: `in ${step.from}`, style: (text: string) => text}]),
    ...(step.needs.length > 0 ? [{text: `needs ${step.needs.join(', ')}`, style: colors.dim}] : []),
  ];
  const lines = details.flatMap(({text, style}) =>
    wrap(text, Math.max(20, columns - margin.length)).map((line) => style(line)),
  );
  const head = `${sign} ${padEnd(step.step, nameWidth)}  ${willRun ? what : colors.dim(what)}`;
  const [first = '', ...rest] = lines;
  return [`${head}  ${first}`.trimEnd(), ...rest.map((line) => margin + line)];
}
