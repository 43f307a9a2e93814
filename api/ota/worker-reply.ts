import {asOtaError} from './io-error.ts';
import {OtaError, type OtaErrorCode} from './ota-error.ts';

/** An error on its way between threads, which keep neither its class nor its members. */
export interface SentError {
  /** Undefined for what is a bug. */
  readonly code: OtaErrorCode | undefined;
  readonly message: string;
  readonly hint: string | undefined;
}

/** What a worker thread answers to a task. */
export type TaskReply<Result> =
  {readonly ok: true; readonly value: Result} | {readonly ok: false; readonly error: SentError};

export function sendError(thrown: unknown): SentError {
  const error = asOtaError(thrown);
  if (error instanceof OtaError) return {code: error.code, message: error.message, hint: error.hint};
  const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return {code: undefined, message, hint: undefined};
}

export function reviveError({code, message, hint}: SentError): Error {
  return code === undefined ? new Error(message) : new OtaError(code, message, {hint});
}
