import {OtaError} from '../../ota-error.ts';

export function tooLong(path: string, limit: number): OtaError {
  return new OtaError('BLOB_CORRUPT', `${path} is longer than the ${limit} bytes that it may have`);
}

export function missing(path: string, location: string): OtaError {
  return new OtaError('BLOB_MISSING', `${path} is missing in ${location}`);
}
