import {setFlagsFromString} from 'node:v8';
import {runInNewContext} from 'node:vm';

/** So many bytes in buffers that nobody uses any more are worth a collection of young objects, of about a millisecond. */
const collectAfterBytes = 4 * 1024 * 1024;

let handedOut = 0;
let collect: ((options: {readonly type: 'minor'}) => void) | undefined;

/**
 * Told of every large buffer that a native module made. The garbage collector does not see how much memory is behind
 * such small objects, and would let hundreds of megabytes of them lie in every thread.
 */
export function noteNativeBuffer(bytes: number): void {
  handedOut += bytes;
}

/** Gives back what `noteNativeBuffer` was told of and is not used any more; called between tasks. */
export function returnNativeBuffers(): void {
  if (handedOut < collectAfterBytes) return;
  handedOut = 0;
  collect ??= garbageCollector();
  collect({type: 'minor'});
}

/** Node.js has it behind a flag that may be set later; new contexts then have the function. */
function garbageCollector(): (options: {readonly type: 'minor'}) => void {
  setFlagsFromString('--expose-gc');
  return runInNewContext('gc') as (options: {readonly type: 'minor'}) => void;
}
