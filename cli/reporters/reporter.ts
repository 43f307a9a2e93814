import type {PipelineEvent} from '../../api/events/event.ts';

/** What is said after the first Ctrl-C. */
export const stoppingMessage = 'stopping, once more to kill';

/** Draws a run. Disposing it ends the drawing and gives the terminal back; later events are ignored. */
export interface Reporter extends Disposable {
  on(event: PipelineEvent): void;
  /** Says that the run is being stopped because the user asked for it. */
  stopping(): void;
}
