import {createHash} from 'node:crypto';
import {resolve} from 'node:path';
import {PipelineError} from '../errors.ts';

/** What `--volume` names: a named volume of the engine, or a folder on the engine's machine. */
export type VolumeReference =
  | {readonly kind: 'named'; readonly name: string; readonly label: string; readonly id: string}
  | {readonly kind: 'folder'; readonly path: string; readonly label: string; readonly id: string};

/**
 * Reads a volume argument. What starts with `/`, `./` or `../`, or is `.` or `..`, is a folder; the rest must be a
 * volume name as the engine allows it.
 *
 * @throws PipelineError `VOLUME_UNUSABLE` for a name that no engine would take.
 */
export function parseVolumeReference(text: string): VolumeReference {
  if (/^(\.{0,2}\/|\.{1,2}$)/.test(text)) {
    const path = resolve(text);
    return {kind: 'folder', path, label: path, id: shortId(`folder:${path}`)};
  }
  // The engine's own rule for names (moby, `RestrictedNamePattern`).
  if (!/^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/.test(text)) {
    throw new PipelineError(
      'VOLUME_UNUSABLE',
      `"${text}" is neither the name of a volume nor the path of a folder`,
      {
        hint: 'A name has letters, digits, "_", "." and "-"; a path starts with "/", "./" or "../".',
      },
    );
  }
  return {kind: 'named', name: text, label: text, id: shortId(`named:${text}`)};
}

function shortId(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 12);
}
