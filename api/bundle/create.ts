import {readFile, stat} from 'node:fs/promises';
import {basename, join, resolve} from 'node:path';
import {createGzip} from 'node:zlib';
import {Readable} from 'node:stream';
import {pipeline} from 'node:stream/promises';
import {createWriteStream} from 'node:fs';
import type {ConfigIssue} from '../../configs/config-error.ts';
import {endOfTar, formatTarHeader, zerosAfter} from '../archive/tar-format.ts';
import {publishFile, refuseExisting} from '../archive/publish-file.ts';
import {PipelineError} from '../errors.ts';
import {bundleName} from './names.ts';
import {loadSigningKey, signContent, type SigningKey} from './signing-key.ts';
import {validateBundle} from './validate.ts';

export interface CreateBundleOptions {
  readonly description: string;
  /** Further files: licences, JSON Schemas for scope validation, whatever the bundle shall carry. */
  readonly files?: readonly string[] | undefined;
  /** The private key, or a PEM file with it. */
  readonly key: string | SigningKey;
  /** Called for an encrypted key; undefined means that there is no passphrase. */
  readonly askPassphrase?: (() => Promise<string | undefined>) | undefined;
  /** Folder for the bundle; the current one when absent. */
  readonly outputFolder?: string | undefined;
  /** `flat` (default): all files at the top. `folder`: in `<id>_<version>/`, licences in `licenses/` below it. */
  readonly layout?: 'flat' | 'folder' | undefined;
  /** Replaces an existing bundle and existing `.sign` files. */
  readonly force?: boolean | undefined;
  readonly onSign?: ((file: string, kind: 'description' | 'schema') => void) | undefined;
}

export interface CreatedBundle {
  readonly file: string;
  readonly id: string;
  readonly version: string;
  /** Names in the archive, sorted. */
  readonly members: readonly string[];
  readonly issues: readonly ConfigIssue[];
  /** About the key and the files. */
  readonly warnings: readonly string[];
}

/** A bundle is a few small files; what is larger belongs into an image. */
const mostBytes = 64 * 1024 * 1024;

interface Member {
  readonly name: string;
  readonly content: Buffer;
}

/**
 * Validates a description, signs it and every `.json` among the files, and packs all of it. The bundle has the same
 * bytes whenever and wherever it is made from the same files and key.
 *
 * @throws ConfigError `BUNDLE_INVALID`; PipelineError `KEY_UNUSABLE`, `INPUT_UNREADABLE`, `OUTPUT_EXISTS`, `USAGE`.
 */
export async function createBundle(options: CreateBundleOptions): Promise<CreatedBundle> {
  const {force, layout = 'flat'} = options;
  const {description, warnings: issues} = await validateBundle(options.description);
  const folder = options.outputFolder ?? '.';
  const output = join(folder, bundleName(description));
  await refuseExisting(output, {force});
  const inputs = await readInputs([options.description, ...(options.files ?? [])]);
  const askPassphrase = options.askPassphrase ?? (() => Promise.resolve(undefined));
  const key =
    typeof options.key === 'string' ? await loadSigningKey(options.key, askPassphrase) : options.key;
  const stem = `${description.id}_${description.version}`;
  const warnings = [...key.warnings, ...adviseOnFiles(inputs.slice(1), layout)];

  const members: Member[] = [];
  const signatures: {readonly file: string; readonly content: Buffer}[] = [];
  for (const [index, {file, content}] of inputs.entries()) {
    const name = nameInArchive(file, index === 0, layout, stem);
    members.push({name, content});
    if (index > 0 && !file.endsWith('.json')) continue;
    options.onSign?.(file, index === 0 ? 'description' : 'schema');
    const signature = await signatureOf(key, content, `${file}.sign`, force);
    members.push({name: `${name}.sign`, content: signature});
    signatures.push({file: `${file}.sign`, content: signature});
  }
  refuseDuplicates(members);
  members.sort((a, b) => (a.name < b.name ? -1 : 1));
  await publishFile(output, {force}, (temporary) => writeBundle(temporary, members));
  for (const {file, content} of signatures) await writeSignature(file, content);
  return {
    file: folder === '.' ? `./${bundleName(description)}` : output,
    id: description.id,
    version: description.version,
    members: members.map(({name}) => name),
    issues,
    warnings,
  };
}

async function readInputs(files: readonly string[]) {
  const inputs: {readonly file: string; readonly content: Buffer}[] = [];
  let total = 0;
  for (const file of files) {
    const found = await stat(file).catch((error: unknown) => {
      const code = (error as NodeJS.ErrnoException).code ?? '';
      const reason = code === 'ENOENT' ? 'does not exist' : `cannot be read (${code})`;
      throw new PipelineError('INPUT_UNREADABLE', `${file} ${reason}`, {cause: error});
    });
    if (!found.isFile()) throw new PipelineError('INPUT_UNREADABLE', `${file} is not a regular file`);
    total += found.size;
    if (total > mostBytes) {
      throw new PipelineError(
        'INPUT_UNREADABLE',
        `the files have more than 64 MiB (${file} is the last one)`,
        {
          hint: 'A bundle holds descriptions and licences; put data into an image.',
        },
      );
    }
    inputs.push({file, content: await readFile(file)});
  }
  return inputs;
}

function nameInArchive(
  file: string,
  isDescription: boolean,
  layout: 'flat' | 'folder',
  stem: string,
): string {
  const name = basename(file);
  if (layout === 'flat') return name;
  if (isDescription) return `${stem}/${stem}.yaml`;
  return /\.txt$/i.test(name) ? `${stem}/licenses/${name}` : `${stem}/${name}`;
}

/** The signature of a file; the one beside it is kept as it is when it is the same, and is in the way when not. */
async function signatureOf(
  key: SigningKey,
  content: Buffer,
  file: string,
  force: boolean | undefined,
): Promise<Buffer> {
  const signature = signContent(key, content);
  const existing = await readFile(file).catch(() => undefined);
  if (!existing?.equals(signature)) await refuseExisting(file, {force});
  return signature;
}

async function writeSignature(file: string, content: Buffer): Promise<void> {
  await publishFile(resolve(file), {force: true}, async (temporary) => {
    await pipeline(Readable.from([content]), createWriteStream(temporary));
  });
}

function refuseDuplicates(members: readonly Member[]): void {
  const seen = new Set<string>();
  for (const {name} of members) {
    if (seen.has(name)) {
      throw new PipelineError('USAGE', `two files of the bundle would have the name ${name}`, {
        hint: 'Rename one of them; signatures (.sign) are made here and need not be given.',
      });
    }
    seen.add(name);
  }
}

function adviseOnFiles(
  files: readonly {readonly file: string}[],
  layout: 'flat' | 'folder',
): readonly string[] {
  if (files.some(({file}) => /\.txt$/i.test(file))) return [];
  const where = layout === 'folder' ? ' in licenses/' : '';
  return [`no EULA or licence (.txt) is among the files; update agents expect one${where}`];
}

async function writeBundle(path: string, members: readonly Member[]): Promise<void> {
  const blocks = members.flatMap(({name, content}) => [
    formatTarHeader({path: name, type: 'file', sizeBytes: content.length}),
    content,
    zerosAfter(content.length),
  ]);
  // Node writes no time stamp and no name into a gzip header.
  await pipeline(
    Readable.from([...blocks, endOfTar]),
    createGzip({level: 9}),
    createWriteStream(path, {flags: 'wx'}),
  );
}
