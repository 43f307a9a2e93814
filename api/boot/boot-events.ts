import type {PipelineEvent} from '../events/event.ts';

/** Name under which events speak of the boot. */
export const bootStep = 'boot';

/** A line of the console, or of what prepares the emulator. */
export function bootOutput(line: string): PipelineEvent {
  return {type: 'step-output', step: bootStep, stream: 'stdout', line};
}
