import type {EventListener, PipelineEvent, Verbosity} from '../events/event.ts';

/** Which events a verbosity lets through: `quiet` failures and warnings, `info` all but the containers' output, `debug` all. */
export function filterByVerbosity(
  verbosity: Verbosity,
  listener: EventListener | undefined,
): (event: PipelineEvent) => void {
  return (event) => {
    if (isHeard(event, verbosity)) listener?.(event);
  };
}

function isHeard(event: PipelineEvent, verbosity: Verbosity): boolean {
  if (verbosity === 'debug') return true;
  if (verbosity === 'info') return event.type !== 'step-output';
  return (
    event.type === 'step-failed' ||
    event.type === 'run-finished' ||
    (event.type === 'notice' && event.level === 'warning')
  );
}
