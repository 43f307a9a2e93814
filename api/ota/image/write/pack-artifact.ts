import {randomBytes} from 'node:crypto';
import {access, readdir, rename, rm, stat} from 'node:fs/promises';
import {basename, dirname, join} from 'node:path';
import {OtaError} from '../../ota-error.ts';
import {keys} from '../model/annotation-keys.ts';
import {layout} from '../model/layout.ts';
import {ImageFolder} from './image-folder.ts';
import {progressOf, type WorkOptions} from './progress.ts';
import {ZipWriter} from './zip/zip-writer.ts';

export interface PackOptions extends Pick<WorkOptions, 'signal' | 'onProgress'> {
  readonly image: string;
  /** The ZIP file to be made. */
  readonly output: string;
  /** Also an image that is only finalized; devices will not take it before it is signed. */
  readonly allowUnsigned?: boolean | undefined;
}

/**
 * Packs an image into its artifact: the same bytes for the same image. The file appears when it is complete.
 * @throws {OtaError} NOT_AN_IMAGE, NOT_SIGNED, NOT_FINALIZED, OUTPUT_EXISTS
 */
export async function packArtifact(options: PackOptions): Promise<{readonly sizeBytes: number}> {
  const image = await ImageFolder.open(options.image);
  const {annotations} = await image.readIndex();
  if (annotations[keys.createdAt] === undefined)
    throw new OtaError(
      'NOT_FINALIZED',
      'image is not yet finalized, run the `finalize` command first, abort!',
    );
  if (annotations[keys.signedAt] === undefined && options.allowUnsigned !== true)
    throw new OtaError('NOT_SIGNED', 'image is not yet signed, please sign it before pack_artifact, abort!');
  await requireAbsent(options.output);
  const temporary = join(
    dirname(options.output),
    `.${basename(options.output)}.${randomBytes(4).toString('hex')}`,
  );
  try {
    await pack(image.path, temporary, options);
    await requireAbsent(options.output);
    await rename(temporary, options.output);
  } finally {
    await rm(temporary, {force: true});
  }
  return {sizeBytes: (await stat(options.output)).size};
}

async function pack(root: string, output: string, {signal, onProgress}: PackOptions): Promise<void> {
  const names = await orderedNames(root);
  const advance = progressOf('pack', names.length, onProgress);
  using zip = new ZipWriter(output);
  for (const name of names) {
    signal?.throwIfAborted();
    if (name.endsWith('/')) zip.addFolder(name);
    else await zip.addFile(name, join(root, name));
    advance(1);
  }
  zip.finish();
}

/** index.json and index.jwt, then the other files of the root, then folder by folder: its files, then its folders. */
async function orderedNames(root: string): Promise<string[]> {
  const names: string[] = [];
  const walk = async (folder: string): Promise<void> => {
    const entries = (await readdir(join(root, folder), {withFileTypes: true})).sort((a, b) =>
      a.name < b.name ? -1 : 1,
    );
    const files = entries.filter((entry) => entry.isFile() && !isTemporary(entry.name)).map(({name}) => name);
    const first = folder === '' ? [layout.index, layout.jwt].filter((name) => files.includes(name)) : [];
    for (const name of [...first, ...files.filter((one) => !first.includes(one as typeof layout.index))])
      names.push(folder + name);
    for (const entry of entries) {
      if (!entry.isDirectory()) continue;
      names.push(`${folder}${entry.name}/`);
      await walk(`${folder}${entry.name}/`);
    }
  };
  await walk('');
  return names;
}

function isTemporary(name: string): boolean {
  return /^\.?tmp_/.test(name);
}

/** @throws {OtaError} OUTPUT_EXISTS */
export async function requireAbsent(path: string): Promise<void> {
  const isThere = await access(path).then(
    () => true,
    () => false,
  );
  if (isThere) throw new OtaError('OUTPUT_EXISTS', `${path} already exists!`);
}
