import {OtaError} from './ota-error.ts';

const hints: Readonly<Record<string, string>> = {
  EPERM: 'this needs root',
  EACCES: 'this needs other permissions, or root',
  ENOSPC: 'the disk is full',
};

/** A failed call of the operating system as an {@link OtaError}; anything else as it is. */
export function asOtaError(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof OtaError) return error;
  const {code, syscall} = error as NodeJS.ErrnoException;
  if (code === undefined || syscall === undefined) return error;
  return new OtaError('IO_FAILED', error.message, {hint: hints[code], cause: error});
}
