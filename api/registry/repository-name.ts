import {PipelineError} from '../errors.ts';
import {parseImageReference, type ImageReference} from './reference.ts';

/**
 * Reads the name of a repository.
 *
 * @param option that has it, for messages.
 * @throws PipelineError `USAGE`
 */
export function parseRepository(text: string, option: string): ImageReference {
  const reference = parseImageReference(text);
  if (reference !== undefined && reference.tag === undefined && reference.digest === undefined)
    return reference;
  throw new PipelineError('USAGE', `${option} "${text}" is not the name of a repository of a registry`, {
    hint: 'Write it as registry.example:5000/team/cache, without a tag: the tags are the fingerprints.',
  });
}
