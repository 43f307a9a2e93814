import type {ChalkInstance} from 'chalk';
import {unreachable} from '../../api/errors.ts';
import type {PipelineEvent, Verbosity} from '../../api/events/event.ts';
import type {Output} from '../context.ts';
import {formatBytes, formatDuration} from '../format.ts';
import type {Symbols} from '../symbols.ts';
import {cleanLine} from '../text.ts';
import {describeArtifacts, shortReason} from './describe.ts';
import {stoppingMessage, type Reporter} from './reporter.ts';
import {isRoot, RunProgress} from './run-progress.ts';
import {renderSummary} from './summary.ts';

interface PlainReporterOptions {
  readonly output: Output;
  readonly verbosity: Verbosity;
  readonly colors: ChalkInstance;
  readonly symbols: Symbols;
  readonly now?: () => number;
}

/** One line for each event, with the seconds since the start: for logs, pipes and CI. */
export class PlainReporter implements Reporter {
  readonly #options: PlainReporterOptions;
  readonly #now: () => number;
  readonly #progress: RunProgress;
  #disposed = false;

  constructor(options: PlainReporterOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
    this.#progress = new RunProgress(this.#now());
  }

  on(event: PipelineEvent): void {
    if (this.#disposed) return;
    const {verbosity} = this.#options;
    this.#progress.apply(event, this.#now());
    if (verbosity === 'quiet' && event.type !== 'step-failed') return;
    for (const line of this.#describe(event)) this.#print(line);
    if (event.type === 'run-finished') this.#printSummary();
  }

  stopping(): void {
    if (!this.#disposed) this.#print(this.#options.colors.yellow(stoppingMessage));
  }

  [Symbol.dispose](): void {
    this.#disposed = true;
  }

  #describe(event: PipelineEvent): string[] {
    const {colors, verbosity} = this.#options;
    switch (event.type) {
      case 'run-started':
        return [`volume ${event.volume}, engine ${event.engine}, steps: ${event.steps.join(', ')}`];
      case 'step-started':
        return [
          `${event.step}: ${event.description}`,
          ...event.reasons.map((text) => `${event.step}: because ${text}`),
        ];
      case 'step-progress':
        return [`${event.step}: ${cleanLine(event.message)}`];
      case 'step-output':
        return verbosity === 'debug' ? [`${event.step} | ${cleanLine(event.line)}`] : [];
      case 'step-finished': {
        const how =
          event.outcome === 'hit'
            ? `taken from ${event.from ?? 'the store'}`
            : `done in ${formatDuration(event.durationMs)}`;
        const files = describeArtifacts(event.artifacts);
        return [`${event.step}: ${colors.green(how)}${files === '' ? '' : ` (${files})`}`];
      }
      case 'step-failed':
        if (!isRoot(event.failure)) return [];
        return [`${event.step}: ${colors.red(`failed: ${shortReason(event.failure)}`)}`];
      case 'notice': {
        const text = event.level === 'warning' ? colors.yellow(`warning: ${event.message}`) : event.message;
        return event.hint === undefined ? [text] : [text, `  ${event.hint}`];
      }
      case 'delivery-progress':
      case 'run-finished':
        return [];
      case 'artifact-delivered': {
        const {path, sizeBytes, unchanged} = event.artifact;
        return [`${unchanged ? 'unchanged' : 'delivered'} ${path} (${formatBytes(sizeBytes)})`];
      }
      default:
        return unreachable(event);
    }
  }

  #print(line: string): void {
    const seconds = (this.#now() - this.#progress.startedMs) / 1000;
    this.#options.output.write(`[${`${seconds.toFixed(1)}s`.padStart(7)}] ${line}\n`);
  }

  #printSummary(): void {
    const {output, colors, symbols} = this.#options;
    // Without the files: each has had its line a moment ago.
    const lines = renderSummary(this.#progress, {colors, symbols, files: false});
    output.write(`\n${lines.join('\n')}\n`);
  }
}
