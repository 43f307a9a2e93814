import type {StoreEntry} from '../../volumes/store-entry.ts';
import {PipelineError} from '../errors.ts';

/** An entry whose files are not what they should be, where it lies. */
export class DamagedArtifact extends PipelineError {
  readonly entry: StoreEntry;

  constructor(entry: StoreEntry, message: string, cause?: unknown) {
    super('ARTIFACT_CORRUPT', message, {
      hint: 'Run the same command again: it will be built again.',
      cause,
    });
    this.entry = entry;
  }
}
