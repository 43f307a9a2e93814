import {PipelineError} from '../api/errors.ts';
import type {StepFailure} from '../api/events/step-failure.ts';
import {OtaError} from '../api/ota/ota-error.ts';
import {ConfigError, type ConfigIssue} from '../configs/config-error.ts';

/** An error as the result line of `--json` gives it. */
export interface ErrorDescription {
  /** A code of `PipelineError` or `OtaError`, or `INTERNAL` for what is a defect of hypriotkit. */
  readonly code: string;
  readonly message: string;
  readonly hint?: string;
  readonly failures?: readonly StepFailure[];
  /** What is wrong in a configuration file. */
  readonly issues?: readonly ConfigIssue[];
}

/** Puts any thrown value into the form that programs read. */
export function describeError(error: unknown): ErrorDescription {
  if (error instanceof PipelineError) {
    return {
      code: error.code,
      message: error.message,
      ...(error.hint !== undefined && {hint: error.hint}),
      ...(error.failures.length > 0 && {failures: error.failures}),
    };
  }
  if (error instanceof OtaError) {
    return {code: error.code, message: error.message, ...(error.hint !== undefined && {hint: error.hint})};
  }
  if (error instanceof ConfigError) return {code: error.code, message: error.message, issues: error.issues};
  return {code: 'INTERNAL', message: error instanceof Error ? error.message : String(error)};
}
