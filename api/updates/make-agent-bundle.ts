import {copyFile, mkdir} from 'node:fs/promises';
import {basename, join} from 'node:path';
import {updateFiles, type AgentBundleWork} from '../components/update-work.ts';
import type {StepFile} from '../components/step.ts';
import {createBundle} from '../bundle/create.ts';
import {makeBundleImages} from '../bundle/images.ts';
import {parseSigningKey} from '../bundle/signing-key.ts';
import type {UpdateRequest} from './update-request.ts';
import {writeDigest} from '../archive/write-digest.ts';

/** Makes a bundle of an update agent, and the archive of its images where it is asked for. */
export async function makeAgentBundle(
  work: AgentBundleWork,
  request: UpdateRequest,
): Promise<readonly string[]> {
  const {folder, files, signing, signal, onProgress, onNotice} = request;
  if (signing === undefined) throw new Error('an update-agent bundle is always signed');
  // Signatures are written beside what they sign: not to the user's folder.
  const copies = join(folder, '.bundle');
  await mkdir(copies);
  const copy = async (file: StepFile): Promise<string> => {
    const path = join(copies, basename(file.path));
    await copyFile(file.tree.entries[0]?.source ?? '', path);
    return path;
  };
  const below = (part: string) => files.filter(({path}) => path.startsWith(`${part}/`));
  const [description = ''] = await Promise.all(below(updateFiles.description).map(copy));
  const more = await Promise.all(below(updateFiles.more).map(copy));
  onProgress('making the bundle');
  const key = await parseSigningKey(signing.key, 'sign_key', () => Promise.resolve(signing.passphrase));
  const bundle = await createBundle({description, files: more, key, outputFolder: folder});
  bundle.warnings.forEach(onNotice);
  const names = [...(await writeDigest(folder, basename(bundle.file)))];
  if (work.images === 'none') return names;
  onProgress('fetching images');
  const output = join(folder, `${bundle.id}_${bundle.version}_images.tar.gz`);
  const images = await makeBundleImages({
    file: description,
    origin:
      work.images === 'registry' ? {kind: 'registry'} : {kind: 'layout', folder: await layoutOf(request)},
    output,
    signal,
    onImage: ({name}) => onProgress(`fetched ${name}`),
  });
  images.warnings.forEach(onNotice);
  return [...names, ...(await writeDigest(folder, basename(output)))];
}

/** The OCI layout as it was when the configuration was read: its digest is part of the fingerprint. */
async function layoutOf({folder, files}: UpdateRequest): Promise<string> {
  const tree = files.find(({path}) => path === updateFiles.layout)?.tree;
  const root = join(folder, '.layout');
  await mkdir(root);
  for (const {type, path, source} of tree?.entries ?? []) {
    if (type === 'folder') await mkdir(join(root, path));
    else if (type === 'file') await copyFile(source, join(root, path));
  }
  return root;
}
