import type {ChalkInstance} from 'chalk';
import {unreachable} from '../../api/errors.ts';
import type {PipelineEvent, Verbosity} from '../../api/events/event.ts';
import type {Output} from '../context.ts';
import {formatBytes, formatDuration} from '../format.ts';
import type {Symbols} from '../symbols.ts';
import {cleanLine, padEnd} from '../text.ts';
import {shortReason, totalBytes} from './describe.ts';
import {nameColumn, renderFrame} from './frame.ts';
import {LiveWindow} from './live-window.ts';
import type {Reporter} from './reporter.ts';
import {isRoot, RunProgress} from './run-progress.ts';
import {renderSummary} from './summary.ts';

interface LiveReporterOptions {
  readonly output: Output;
  readonly verbosity: Verbosity;
  readonly colors: ChalkInstance;
  readonly symbols: Symbols;
  /** Whether the summary lists the delivered files. */
  readonly files: boolean;
  readonly now?: () => number;
}

/** Twelve frames a second: smooth enough for a spinner, nothing on the processor. */
const frameMs = 84;

/** The live window on a terminal: what runs now at the bottom, what has ended above it. */
export class LiveReporter implements Reporter {
  readonly #options: LiveReporterOptions;
  readonly #now: () => number;
  readonly #progress: RunProgress;
  readonly #window: LiveWindow;
  readonly #timer: NodeJS.Timeout;
  #above: string[] = [];
  #tick = 0;
  #stopping = false;
  #disposed = false;

  constructor(options: LiveReporterOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
    this.#progress = new RunProgress(this.#now());
    this.#window = new LiveWindow(options.output);
    this.#timer = setInterval(() => {
      this.#redraw();
    }, frameMs).unref();
  }

  on(event: PipelineEvent): void {
    if (this.#disposed) return;
    this.#progress.apply(event, this.#now());
    this.#above.push(...this.#lasting(event));
  }

  stopping(): void {
    this.#stopping = true;
  }

  [Symbol.dispose](): void {
    if (this.#disposed) return;
    this.#disposed = true;
    clearInterval(this.#timer);
    if (this.#progress.finished !== undefined) {
      const {colors, symbols, files} = this.#options;
      this.#above.push('', ...renderSummary(this.#progress, {colors, symbols, files}));
    }
    this.#window.update(this.#above, []);
    this.#window[Symbol.dispose]();
  }

  #redraw(): void {
    const {colors, symbols} = this.#options;
    const frame =
      this.#progress.finished === undefined && this.#progress.steps.size > 0
        ? renderFrame(this.#progress, {
            columns: this.#window.columns,
            rows: this.#window.rows,
            nowMs: this.#now(),
            tick: this.#tick++,
            stopping: this.#stopping,
            colors,
            symbols,
          })
        : [];
    this.#window.update(this.#above, frame);
    this.#above = [];
  }

  /** The lines that an event leaves above the window. */
  #lasting(event: PipelineEvent): string[] {
    const {colors, symbols, verbosity} = this.#options;
    switch (event.type) {
      case 'run-started':
        return [colors.dim(`volume ${event.volume} ${symbols.dot} engine ${event.engine}`)];
      case 'step-finished': {
        const time = event.outcome === 'hit' ? 'stored' : formatDuration(event.durationMs);
        const size = event.artifacts.length > 0 ? formatBytes(totalBytes(event.artifacts)) : '';
        const sign = event.outcome === 'hit' ? colors.dim(symbols.done) : colors.green(symbols.done);
        return [`${sign} ${this.#name(event.step)} ${colors.dim(time.padStart(7))}  ${size}`.trimEnd()];
      }
      case 'step-failed': {
        if (!isRoot(event.failure)) return [];
        const time = colors.dim(formatDuration(event.durationMs).padStart(7));
        return [
          `${colors.red(symbols.failed)} ${this.#name(event.step)} ${time}  ${colors.red(shortReason(event.failure))}`,
        ];
      }
      case 'notice': {
        const sign = event.level === 'warning' ? colors.yellow(symbols.warning) : colors.dim(symbols.info);
        const hint = event.hint === undefined ? [] : [`  ${colors.dim(event.hint)}`];
        return [`${sign} ${event.message}`, ...hint];
      }
      case 'step-output':
        return verbosity === 'debug' ? [`${colors.dim(`${event.step} |`)} ${cleanLine(event.line)}`] : [];
      case 'step-started':
        return verbosity === 'debug'
          ? [`${colors.dim(`${event.step} |`)} ${colors.bold(event.description)}`]
          : [];
      case 'step-progress':
      case 'delivery-progress':
      case 'artifact-delivered':
      case 'run-finished':
        return [];
      default:
        return unreachable(event);
    }
  }

  #name(step: string): string {
    return padEnd(step, nameColumn(this.#progress, this.#window.columns));
  }
}
