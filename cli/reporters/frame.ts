import type {ChalkInstance} from 'chalk';
import {formatBytes, formatDuration} from '../format.ts';
import type {Symbols} from '../symbols.ts';
import {padEnd, truncate, widthOf} from '../text.ts';
import {stoppingMessage} from './reporter.ts';
import type {DeliveryView, RunProgress, StepView} from './run-progress.ts';

/** What a frame depends on besides the run. */
export interface FrameOptions {
  readonly columns: number;
  readonly rows: number;
  readonly nowMs: number;
  /** Counts frames; turns the spinner. */
  readonly tick: number;
  readonly stopping: boolean;
  readonly colors: ChalkInstance;
  readonly symbols: Symbols;
}

interface Segment {
  readonly text: string;
  readonly style: (text: string) => string;
}

const widestName = 24;

/**
 * The live window: one line for each running step and each file on its way, and one for the whole run. It is never
 * wider than the terminal and always leaves it a free row, so that it can be erased again.
 */
export function renderFrame(progress: RunProgress, options: FrameOptions): string[] {
  const nameWidth = nameColumn(progress, options.columns);
  const lines = [
    ...progress.running.map((step) => stepLine(step, nameWidth, options)),
    ...[...progress.deliveries.values()].map((file) => deliveryLine(file, nameWidth, options)),
  ];
  // One row for the footer, one for the cursor below the window, one for what lies above it.
  const room = Math.max(0, options.rows - 3);
  if (lines.length > room) {
    const hidden = lines.length - Math.max(0, room - 1);
    lines.length = Math.max(0, room - 1);
    if (room > 0) lines.push([plain(`  … ${hidden} more`, options.colors.dim)]);
  }
  lines.push(footer(progress, options));
  return lines.map((line) => fit(line, options.columns - 1));
}

/** Width of the name column: the widest name, within reason. */
export function nameColumn(progress: RunProgress, columns: number): number {
  const widest = Math.max(0, ...[...progress.steps.keys()].map(widthOf));
  return Math.max(1, Math.min(widest, widestName, Math.floor(columns / 3)));
}

function stepLine(step: StepView, nameWidth: number, options: FrameOptions): Segment[] {
  const {colors, nowMs} = options;
  return [
    spinner(options),
    plain(padEnd(truncate(step.step, nameWidth), nameWidth), colors.bold),
    plain(` ${formatDuration(nowMs - step.startedMs).padStart(7)}  `, colors.dim),
    plain(step.message),
  ];
}

function deliveryLine(file: DeliveryView, nameWidth: number, options: FrameOptions): Segment[] {
  const {colors} = options;
  const percent =
    file.totalBytes > 0 ? Math.min(100, Math.floor((file.doneBytes / file.totalBytes) * 100)) : 0;
  return [
    spinner(options),
    plain(padEnd(truncate('copying', nameWidth), nameWidth), colors.bold),
    plain(` ${`${percent} %`.padStart(7)}  `, colors.dim),
    plain(`${file.name}, ${formatBytes(file.totalBytes)}`),
  ];
}

function footer(progress: RunProgress, {colors, symbols, nowMs, stopping}: FrameOptions): Segment[] {
  const elapsed = formatDuration(nowMs - progress.startedMs);
  if (stopping) {
    return [plain(`  ${stoppingMessage}`, colors.yellow), plain(` ${symbols.dot} ${elapsed}`, colors.dim)];
  }
  const parts = [`${progress.ended} of ${progress.steps.size} done`, elapsed];
  const waiting = progress.waiting.map(({step}) => step);
  if (waiting.length > 0) parts.push(`next: ${waiting.join(', ')}`);
  return [plain(`  ${parts.join(` ${symbols.dot} `)}`, colors.dim)];
}

function spinner({symbols, tick, colors}: FrameOptions): Segment {
  return plain(`${symbols.spinner[tick % symbols.spinner.length] ?? ''} `, colors.cyan);
}

function plain(text: string, style: (text: string) => string = (same) => same): Segment {
  return {text, style};
}

/** Cuts before it colours, so that no escape sequence is ever cut. */
function fit(segments: readonly Segment[], width: number): string {
  let room = width;
  let line = '';
  for (const {text, style} of segments) {
    const part = truncate(text, room);
    if (part !== '') line += style(part);
    room -= widthOf(part);
    if (part !== text) break;
  }
  return line;
}
