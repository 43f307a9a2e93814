import {PipelineError} from '../errors.ts';

/** A registry that cannot be reached, or that says that it cannot work now: it may be able to a little later. */
export class RegistryAwayError extends PipelineError {
  override readonly name = 'RegistryAwayError';

  constructor(message: string, hint?: string, cause?: unknown) {
    super('REGISTRY_FAILED', message, {hint, cause});
  }
}

/** Whether an answer means that asking again later can help. */
export function isBusy(status: number): boolean {
  return status === 429 || status >= 500;
}
