import {unreachable} from '../../api/errors.ts';
import type {Artifact, DeliveredArtifact, PipelineEvent, RunFinished} from '../../api/events/event.ts';
import type {StepFailure} from '../../api/events/step-failure.ts';
import {cleanLine} from '../text.ts';

/** More characters of a line than any terminal shows. */
const longestMessage = 2_000;

/** One step as a reporter sees it. */
export interface StepView {
  readonly step: string;
  /** `waiting`: known from the start of the run, not begun yet. */
  status: 'waiting' | 'running' | 'built' | 'hit' | 'failed' | 'skipped';
  startedMs: number;
  durationMs: number;
  /** What it is doing, or the last line that it printed. */
  message: string;
  artifacts: readonly Artifact[];
  /** The registry that it was found in. */
  from?: string | undefined;
  failure?: StepFailure;
}

/** Bytes on their way to the target. */
export interface DeliveryView {
  readonly name: string;
  readonly doneBytes: number;
  readonly totalBytes: number;
}

/**
 * Follows a run through its events. It takes any sequence of them: a reporter must never be what breaks a build.
 */
export class RunProgress {
  readonly steps = new Map<string, StepView>();
  readonly deliveries = new Map<string, DeliveryView>();
  readonly delivered: DeliveredArtifact[] = [];
  readonly startedMs: number;
  finished: RunFinished | undefined;

  constructor(nowMs: number) {
    this.startedMs = nowMs;
  }

  get running(): readonly StepView[] {
    return this.#withStatus('running');
  }

  get waiting(): readonly StepView[] {
    return this.#withStatus('waiting');
  }

  /** How many steps have ended, in whatever way. */
  get ended(): number {
    return this.steps.size - this.running.length - this.waiting.length;
  }

  apply(event: PipelineEvent, nowMs: number): void {
    switch (event.type) {
      case 'run-started':
        for (const step of event.steps) this.#step(step, nowMs);
        return;
      case 'step-started':
        this.#update(event.step, nowMs, {status: 'running', startedMs: nowMs, message: event.description});
        return;
      case 'step-progress':
        this.#say(event.step, event.message, nowMs);
        return;
      case 'step-output':
        this.#say(event.step, event.line, nowMs);
        return;
      case 'step-finished':
        this.#update(event.step, nowMs, {
          status: event.outcome,
          durationMs: event.durationMs,
          artifacts: event.artifacts,
          from: event.from,
        });
        return;
      case 'step-failed':
        this.#update(event.step, nowMs, {
          status: isRoot(event.failure) ? 'failed' : 'skipped',
          durationMs: event.durationMs,
          failure: event.failure,
        });
        return;
      case 'delivery-progress':
        this.deliveries.set(event.name, event);
        return;
      case 'artifact-delivered':
        this.deliveries.delete(event.artifact.name);
        this.delivered.push(event.artifact);
        return;
      case 'run-finished':
        this.finished = event;
        return;
      case 'notice':
        return;
      default:
        unreachable(event);
    }
  }

  #step(name: string, nowMs: number): StepView {
    const known = this.steps.get(name);
    if (known !== undefined) return known;
    const added: StepView = {
      step: name,
      status: 'waiting',
      startedMs: nowMs,
      durationMs: 0,
      message: '',
      artifacts: [],
    };
    this.steps.set(name, added);
    return added;
  }

  #update(name: string, nowMs: number, change: Partial<StepView>): void {
    Object.assign(this.#step(name, nowMs), change);
  }

  #say(name: string, line: string, nowMs: number): void {
    const view = this.#step(name, nowMs);
    if (view.status === 'waiting') Object.assign(view, {status: 'running', startedMs: nowMs});
    const text = cleanLine(line, longestMessage).trim();
    // An empty line says nothing: the one before it stays.
    if (text !== '') view.message = text;
  }

  #withStatus(status: StepView['status']): readonly StepView[] {
    return [...this.steps.values()].filter((step) => step.status === status);
  }
}

/** Whether a failure is a cause of its own, and not the consequence of another step's or of Ctrl-C. */
export function isRoot(failure: StepFailure): boolean {
  return failure.reason !== 'cancelled' && failure.reason !== 'interrupted';
}
