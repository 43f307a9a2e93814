import {ConfigError} from '../../configs/config-error.ts';
import {PipelineError} from '../errors.ts';
import {asOtaError} from '../ota/io-error.ts';
import {OtaError} from '../ota/ota-error.ts';

/** An update could not be made, whichever part of the house says why. */
export class UpdateError extends Error {
  override readonly name = 'UpdateError';
  readonly code: string;
  readonly hint: string | undefined;

  private constructor(error: OtaError | PipelineError | ConfigError, hint: string | undefined) {
    super(error.message, {cause: error});
    this.code = error.code;
    this.hint = hint;
  }

  /** What a user can cause as one; anything else as it is. */
  static from(thrown: unknown): unknown {
    const error = asOtaError(thrown);
    if (error instanceof OtaError) return new UpdateError(error, error.hint);
    if (error instanceof PipelineError) return new UpdateError(error, error.hint);
    if (error instanceof ConfigError) return new UpdateError(error, undefined);
    return error;
  }
}
