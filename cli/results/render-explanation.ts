import type {ChalkInstance} from 'chalk';
import type {Explanation} from '../../api/pipeline/explain.ts';
import type {ExplainedInput} from '../../api/pipeline/explain-inputs.ts';
import type {ExplainedStep} from '../../api/pipeline/explain-steps.ts';
import {shortenLists} from '../../api/pipeline/shorten-list.ts';
import {formatCount, formatTime} from '../format.ts';
import type {Symbols} from '../symbols.ts';
import {cleanLine, columns, truncate} from '../text.ts';

interface Style {
  readonly colors: ChalkInstance;
  readonly symbols: Symbols;
}

/** A list of packages is cut here; a change is shown in full above. */
const longestValue = 60;
/** Enough of a digest to recognize it. */
const digestDigits = 12;

/** Each step with its reasons and every input; what changed is marked and has both values. */
export function renderExplanation({volume, steps}: Explanation, style: Style): string[] {
  const runs = steps.filter(({action}) => action === 'run').length;
  return [
    ...steps.flatMap((step) => [...renderStep(step, style), '']),
    `${runs} of ${formatCount(steps.length, 'step')} would run; volume ${volume}`,
  ];
}

function renderStep(step: ExplainedStep, {colors, symbols}: Style): string[] {
  const willRun = step.action === 'run';
  const sign = willRun ? colors.yellow(symbols.run) : colors.green(symbols.done);
  const {comparedWith} = step;
  const entry =
    comparedWith &&
    `${comparedWith.fingerprint.slice(0, digestDigits)} of ${formatTime(comparedWith.createdAt)}`;
  const verdict = willRun ? 'run' : `stored${entry === undefined ? '' : `: ${entry}`}`;
  const changes = step.inputs.filter(({changed}) => changed);
  // A reason that is a change of an input is shown with both values below.
  const isShown = (reason: string) => changes.some((input) => reason.startsWith(`${input.name} `));
  const rows = step.inputs.map((input) => [
    input.changed ? symbols.run : '',
    kindWords[input.kind],
    // Several variables may come from one field.
    step.inputs.filter(({name}) => name === input.name).length > 1 && input.variable !== undefined
      ? `${input.name} (${input.variable})`
      : input.name,
    valueOf(input),
  ]);
  return [
    `${sign} ${colors.bold(step.step)}  ${verdict}`,
    ...step.reasons.filter((reason) => !isShown(reason)).map((reason) => `  ${reason}`),
    ...(willRun && entry !== undefined ? [colors.dim(`  compared with ${entry}`)] : []),
    ...columns(rows).map((line, index) =>
      step.inputs[index]?.changed === true ? `  ${colors.yellow(line)}` : colors.dim(`  ${line}`),
    ),
  ];
}

const kindWords: Readonly<Record<ExplainedInput['kind'], string>> = {
  setting: 'setting',
  input: 'from',
  'base-image': 'tools',
  'build-image': 'scripts',
  command: 'command',
  epoch: 'time',
  contract: 'contract',
  other: 'other',
};

function valueOf(input: ExplainedInput): string {
  if (!input.changed)
    return truncate(input.value === undefined ? absent(input) : shown(input, input.value), longestValue);
  const [before, after] = shortenLists(input.before ?? '', input.value ?? '');
  const shownOr = (value: string | undefined, text: string) =>
    value === undefined ? '(not set)' : shown(input, text);
  return `${shownOr(input.before, before)} → ${shownOr(input.value, after)}`;
}

function absent({kind}: ExplainedInput): string {
  return kind === 'input' ? '(not known before it has run)' : '(not set)';
}

function shown({kind}: ExplainedInput, value: string): string {
  if (/^[0-9a-f]{64}$/.test(value)) return value.slice(0, digestDigits);
  if (value === '(secret)') return value;
  const text = cleanLine(value);
  return kind === 'setting' ? JSON.stringify(text) : text;
}
