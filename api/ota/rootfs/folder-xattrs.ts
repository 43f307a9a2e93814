import {spawn} from 'node:child_process';
import {createInterface} from 'node:readline';
import {OtaError} from '../ota-error.ts';
import {readTarEntries, streamReader} from './tar-entries.ts';

/** Extended attributes of the files in a folder, by path below it (`/` is the folder itself). */
export type FolderXattrs = ReadonlyMap<string, ReadonlyMap<string, Uint8Array>>;

/**
 * Reads all extended attributes in a folder. Node.js cannot; `getfattr` can, and where it is not installed, the headers
 * that GNU tar makes tell the same, but it reads all files.
 * @throws {OtaError} TOOL_MISSING, ROOTFS_INVALID
 */
export async function readXattrs(root: string, signal?: AbortSignal): Promise<FolderXattrs> {
  return (await byGetfattr(root, signal)) ?? (await byTar(root, signal)) ?? noTool();
}

async function byGetfattr(root: string, signal?: AbortSignal): Promise<FolderXattrs | undefined> {
  const program = run('getfattr', ['-R', '-P', '-h', '-d', '-m', '-', '-e', 'hex', '--', '.'], root, signal);
  const found = new Map<string, Map<string, Uint8Array>>();
  let current: Map<string, Uint8Array> | undefined;
  // latin1: one character per byte, so that escapes and UTF-8 can be put together afterwards.
  program.child.stdout.setEncoding('latin1');
  for await (const line of createInterface({input: program.child.stdout, crlfDelay: Infinity})) {
    const file = /^# file: (.*)$/.exec(line)?.[1];
    if (file !== undefined) {
      current = new Map();
      found.set(rooted(unescapeOctal(file)), current);
    } else if (line !== '') {
      const [name = '', value = ''] = line.split('=', 2);
      current?.set(unescapeOctal(name), Buffer.from(value.replace(/^0x/, ''), 'hex'));
    }
  }
  return (await program.ended) ? found : undefined;
}

async function byTar(root: string, signal?: AbortSignal): Promise<FolderXattrs | undefined> {
  const program = run(
    'tar',
    ['--create', '--format=pax', '--xattrs', '--xattrs-include=*', '--no-acls', '--file=-', '.'],
    root,
    signal,
  );
  const found = new Map<string, ReadonlyMap<string, Uint8Array>>();
  try {
    for await (const entry of readTarEntries(streamReader(program.child.stdout))) {
      // Names that are not UTF-8 are the walk's to refuse.
      if (entry.xattrs.size > 0) found.set(rooted(entry.path.toString('utf8')), entry.xattrs);
    }
  } finally {
    program.child.stdout.resume();
  }
  return (await program.ended) ? found : undefined;
}

function noTool(): never {
  throw new OtaError('TOOL_MISSING', 'Neither getfattr nor tar is there to read extended attributes', {
    hint: 'Install one of them (apt-get install attr), or give the root file system as a tar archive.',
  });
}

/** Starts a program; `ended` is false if it is not installed. */
function run(name: string, args: readonly string[], cwd: string, signal?: AbortSignal) {
  const child = spawn(name, args, {
    cwd,
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(signal && {signal}),
    env: {...process.env, LC_ALL: 'C'},
  });
  let complaint = '';
  child.stderr.on('data', (chunk: Buffer) => (complaint = (complaint + chunk.toString()).slice(-2000)));
  const ended = new Promise<boolean>((resolve, reject) => {
    child.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') resolve(false);
      else reject(error);
    });
    child.once('close', (code) => {
      if (code === 0) resolve(true);
      else reject(new OtaError('ROOTFS_INVALID', `${name} cannot read ${cwd}: ${complaint.trim()}`));
    });
  });
  ended.catch(() => undefined);
  return {child, ended};
}

function unescapeOctal(text: string): string {
  const bytes = text.replace(/\\([0-7]{3})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  );
  return Buffer.from(bytes, 'latin1').toString('utf8');
}

/** `./etc` and `etc` as `/etc`, `.` as `/`. */
function rooted(path: string): string {
  return `/${path.replace(/^\.?\/*/, '').replace(/\/+$/, '')}`;
}
