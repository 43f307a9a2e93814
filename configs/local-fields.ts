import {readFile} from 'node:fs/promises';
import {findComposeProblem} from './compose-file.ts';
import {findImageArchiveProblem} from './image-archive.ts';
import {overlayTable, parseOverlayTable} from './overlay-table.ts';
import type {UserConfigs} from './schema.ts';

/** Something wrong in a file: at a line of it, or (without one) about the field that names it. */
export interface ContentProblem {
  readonly line?: number;
  readonly message: string;
}

/** A field that names a file or folder beside configs.json. */
export interface LocalField {
  /** Where it stands, as in `['root_fs', 'scripts', 0]`. */
  readonly location: readonly (string | number)[];
  readonly path: string;
  /** A `pem` may also be the name of an environment variable; see {@link readPem}. */
  readonly kind: 'file' | 'folder' | 'pem';
  /** What the content of the file itself (an empty name), or of a file in the folder, must be. */
  readonly check?: {
    readonly name: string;
    readonly find: (file: string, paths: readonly string[]) => Promise<readonly ContentProblem[]>;
  };
}

/** Every field of a configuration that names something beside it. */
export function findLocalFields({
  root_fs: root,
  rpi_sd_image: card,
  content_image: content,
  'ota-bundler': update,
}: UserConfigs): readonly LocalField[] {
  const fields: LocalField[] = [];
  const add = (
    location: LocalField['location'],
    path: string | undefined,
    rest: Omit<LocalField, 'location' | 'path'>,
  ) => {
    if (path) fields.push({location, path, ...rest});
  };
  const key = {kind: 'file', check: {name: '', find: reading(findKeyProblem)}} as const;
  add(['root_fs', 'keyring'], root?.keyring, key);
  root?.apt_sources?.forEach((source, index) => {
    add(['root_fs', 'apt_sources', index, 'key'], source.key, key);
  });
  add(['root_fs', 'overlay'], root?.overlay, {
    kind: 'folder',
    check: {
      name: overlayTable,
      find: async (file, paths) => parseOverlayTable(await readFile(file, 'utf8'), paths).problems,
    },
  });
  root?.scripts?.forEach((path, index) => {
    add(['root_fs', 'scripts', index], path, {
      kind: 'file',
      check: {name: '', find: reading(findScriptProblem)},
    });
  });
  add(['rpi_sd_image', 'docker_repo', 'key'], card?.docker_repo?.key, key);
  card?.preload?.forEach((item, index) => {
    if (typeof item === 'string') return;
    const {archive} = item;
    add(['rpi_sd_image', 'preload', index, 'archive'], archive, {
      kind: 'file',
      check: {name: '', find: async (file) => whole(await findImageArchiveProblem(file, 'arm64'))},
    });
  });
  add(['rpi_sd_image', 'compose'], card?.compose, {
    kind: 'file',
    check: {name: '', find: reading(findCompose)},
  });
  // What is in it is checked where content is known: it names addresses and files of its own.
  if (typeof content?.config === 'string') add(['content_image', 'config'], content.config, {kind: 'file'});
  // sign_key is not among them: nothing but signing reads it.
  add(['ota-bundler', 'sign_cert'], update?.sign_cert, {kind: 'pem'});
  update?.ca_certs?.forEach((path, index) => {
    add(['ota-bundler', 'ca_certs', index], path, {kind: 'pem'});
  });
  update?.ecus?.forEach((ecu, index) => {
    add(['ota-bundler', 'ecus', index, 'sys_config'], ecu.sys_config, {kind: 'file'});
  });
  const bundle = update?.update_agent_bundle;
  const inBundle = ['ota-bundler', 'update_agent_bundle'];
  add([...inBundle, 'description'], bundle?.description, {kind: 'file'});
  bundle?.files?.forEach((path, index) => {
    add([...inBundle, 'files', index], path, {kind: 'file'});
  });
  add([...inBundle, 'layout'], bundle?.layout, {kind: 'folder'});
  return fields;
}

function reading(find: (content: Buffer) => readonly ContentProblem[]) {
  return async (file: string) => find(await readFile(file));
}

function whole(message: string | undefined): readonly ContentProblem[] {
  return message === undefined ? [] : [{message}];
}

function findCompose(content: Buffer): readonly ContentProblem[] {
  const problem = findComposeProblem(content.toString('utf8'));
  return problem === undefined ? [] : [problem];
}

/** Whether a key file is armored text, and not the binary form; apt tells them apart by the name. */
export function isArmored(content: Buffer): boolean {
  return content.subarray(0, 2048).includes('-----BEGIN PGP');
}

function findKeyProblem(content: Buffer): readonly ContentProblem[] {
  if (content.includes('-----BEGIN PGP PRIVATE KEY')) {
    return [{message: 'must be a public key: this file holds a private one, which must stay where it is'}];
  }
  // The first byte of an OpenPGP packet has its highest bit set; a public key is packet 6 (RFC 9580 4.2).
  const tag = content[0] ?? 0;
  const packet = tag & 0x40 ? tag & 0x3f : (tag >> 2) & 0x0f;
  const binary = (tag & 0x80) !== 0 && packet === 6;
  if (content.includes('-----BEGIN PGP PUBLIC KEY BLOCK-----') || binary) return [];
  return [{message: 'must be a file with a public OpenPGP key, armored (.asc) or binary (.gpg)'}];
}

function findScriptProblem(content: Buffer): readonly ContentProblem[] {
  return content.subarray(0, 2).toString('latin1') === '#!'
    ? []
    : [{message: 'must be a script whose first line names its interpreter (such as "#!/bin/sh")'}];
}
