import type {ChalkInstance} from 'chalk';
import {unreachable} from '../../api/errors.ts';
import {formatBytes, formatDuration} from '../format.ts';
import type {Symbols} from '../symbols.ts';
import {padEnd, padStart, widthOf} from '../text.ts';
import {shortReason, totalBytes} from './describe.ts';
import type {RunProgress, StepView} from './run-progress.ts';

interface SummaryOptions {
  readonly colors: ChalkInstance;
  readonly symbols: Symbols;
  /** Whether the delivered files are listed: not where the result itself shows them on the same screen. */
  readonly files: boolean;
}

/** The end of a run: a table of its steps with time and size, the delivered files, the total. */
export function renderSummary(progress: RunProgress, options: SummaryOptions): string[] {
  const {colors} = options;
  const steps = [...progress.steps.values()];
  const nameWidth = Math.max(5, ...steps.map(({step}) => widthOf(step)));
  const lines = steps.map((step) => stepRow(step, nameWidth, options));
  const total = formatDuration(progress.finished?.durationMs ?? 0).padStart(8);
  lines.push(`  ${padEnd('total', nameWidth)}  ${total}  ${outcomeOf(progress)}`);
  if (options.files && progress.delivered.length > 0) {
    lines.push('');
    const sizes = progress.delivered.map(({sizeBytes}) => formatBytes(sizeBytes));
    for (const [index, {name, unchanged}] of progress.delivered.entries()) {
      lines.push(
        `  ${padStart(sizes[index] ?? '', 8)}  ${name}${unchanged ? colors.dim(' (was there)') : ''}`,
      );
    }
  }
  return lines;
}

function stepRow(view: StepView, nameWidth: number, {colors, symbols}: SummaryOptions): string {
  const {sign, time, text} = rowParts(view, colors, symbols);
  return `${sign} ${padEnd(view.step, nameWidth)}  ${time.padStart(8)}  ${text}`.trimEnd();
}

function rowParts(
  view: StepView,
  colors: ChalkInstance,
  symbols: Symbols,
): Record<'sign' | 'time' | 'text', string> {
  const size = view.artifacts.length > 0 ? formatBytes(totalBytes(view.artifacts)) : '';
  const time = formatDuration(view.durationMs);
  const origin = view.from === undefined ? [] : [colors.dim(`in ${view.from}`)];
  switch (view.status) {
    case 'built':
      return {sign: colors.green(symbols.done), time, text: size};
    case 'hit':
      return {sign: colors.dim(symbols.done), time: 'stored', text: [size, ...origin].join(' ').trim()};
    case 'failed':
      return {
        sign: colors.red(symbols.failed),
        time,
        text: colors.red(view.failure === undefined ? 'failed' : shortReason(view.failure)),
      };
    case 'skipped':
    case 'waiting':
    case 'running':
      return {
        sign: colors.dim(symbols.skipped),
        time: symbols.skipped,
        text: colors.dim(view.failure === undefined ? unfinished(view) : shortReason(view.failure)),
      };
    default:
      return unreachable(view.status);
  }
}

function outcomeOf(progress: RunProgress): string {
  const outcome = progress.finished?.outcome ?? 'interrupted';
  return outcome === 'done' ? '' : outcome;
}

function unfinished({status}: StepView): string {
  return status === 'running' ? 'not finished' : 'not run';
}
