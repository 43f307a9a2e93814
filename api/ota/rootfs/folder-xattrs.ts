import {spawn} from 'node:child_process';
import {createInterface} from 'node:readline';
import {OtaError} from '../ota-error.ts';
import {readTarEntries, streamReader} from './tar-entries.ts';

/** Extended attributes of the files in a folder, by path below it (`/` is the folder itself). */
export type FolderXattrs = ReadonlyMap<string, ReadonlyMap<string, Uint8Array>>;

/** Walks as `getfattr -R -P` does, and prints one JSON list for each file that has attributes. */
const pythonProgram = `
import base64, errno, json, os
def tell(path):
    try:
        names = os.listxattr(path, follow_symlinks=False)
    except OSError as error:
        if error.errno == errno.ENOTSUP:
            return
        raise
    if names:
        text = lambda value: base64.b64encode(value).decode()
        pairs = [[text(os.fsencode(name)), text(os.getxattr(path, name, follow_symlinks=False))] for name in names]
        print(json.dumps([text(path), pairs]))
def fail(error):
    raise error
tell(b'.')
for folder, folders, files in os.walk(b'.', onerror=fail):
    for name in folders + files:
        tell(os.path.join(folder, name))
`;

/**
 * Reads all extended attributes in a folder. Node.js cannot; `getfattr` or `python3` can, and where neither is installed,
 * the headers that GNU tar makes tell the same, but it reads all files.
 * @throws {OtaError} TOOL_MISSING, ROOTFS_INVALID
 */
export async function readXattrs(root: string, signal?: AbortSignal): Promise<FolderXattrs> {
  for (const read of [byGetfattr, byPython, byTar]) {
    const found = await read(root, signal);
    if (found) return found;
  }
  throw new OtaError(
    'TOOL_MISSING',
    'None of getfattr, python3 and tar is there to read extended attributes',
    {
      hint: 'Install one of them (apt-get install attr), or give the root file system as a tar archive.',
    },
  );
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

async function byPython(root: string, signal?: AbortSignal): Promise<FolderXattrs | undefined> {
  const program = run('python3', ['-I', '-c', pythonProgram], root, signal);
  const found = new Map<string, Map<string, Uint8Array>>();
  for await (const line of createInterface({input: program.child.stdout})) {
    const [path, pairs] = JSON.parse(line) as [string, [name: string, value: string][]];
    const xattrs = pairs.map(
      ([name, value]) => [fromBase64(name).toString('utf8'), fromBase64(value)] as const,
    );
    found.set(rooted(fromBase64(path).toString('utf8')), new Map(xattrs));
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
    const reader = streamReader(program.child.stdout);
    for await (const entry of readTarEntries(reader)) {
      // Names that are not UTF-8 are the walk's to refuse.
      const path = rooted(entry.path.toString('utf8'));
      // A further name of a file refers to the first one and tells nothing by itself.
      const isLink = entry.type === '1';
      const xattrs = isLink ? found.get(rooted(entry.linkTarget.toString('utf8'))) : entry.xattrs;
      if (xattrs && xattrs.size > 0) found.set(path, xattrs);
    }
    // The program ends only when all of it has been read, also what follows the last entry.
    await reader.skip(Number.MAX_SAFE_INTEGER);
  } catch (error) {
    program.child.kill();
    throw error;
  }
  return (await program.ended) ? found : undefined;
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

function fromBase64(text: string): Buffer {
  return Buffer.from(text, 'base64');
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
