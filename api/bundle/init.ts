import {writeFile} from 'node:fs/promises';
import {publishFile} from '../archive/publish-file.ts';
import {PipelineError} from '../errors.ts';
import {parseBundleName} from './names.ts';
import {descriptionTemplate} from './template.ts';

/**
 * Writes a description to start from into the current folder and returns its name.
 *
 * @param name `<id>_<version>`, with `.yaml` or without.
 * @throws PipelineError `USAGE` for a name that no bundle can have, `OUTPUT_EXISTS`.
 */
export async function initBundle(name: string, options: {force?: boolean | undefined} = {}): Promise<string> {
  const stem = name.replace(/\.(?:yaml|bundle)$/, '');
  const identity = parseBundleName(`${stem}.bundle`);
  if (identity === undefined) {
    throw new PipelineError('USAGE', `"${name}" is not the identity of a bundle`, {
      hint: 'It is <id>_<version>: letters, digits and "-", then a version with three parts, as in gripper_1.0.0.',
    });
  }
  const file = `${stem}.yaml`;
  await publishFile(file, options, (temporary) =>
    writeFile(temporary, descriptionTemplate(identity), {flag: 'wx'}),
  );
  return file;
}
