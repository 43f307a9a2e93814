import {execFileSync} from 'node:child_process';
import {lstatSync, readdirSync, readFileSync, readlinkSync} from 'node:fs';
import {join} from 'node:path';
import {sha256Hex} from '../../../../../api/ota/image/model/digest.ts';

/** An entry as `tree.json` of the sample has it. */
export type TreeEntry = Readonly<Record<string, unknown>> & {readonly path: string};

/** Reads a root file system back, in the form of `tree.json`. */
export function readTree(root: string): Map<string, TreeEntry> {
  const xattrs = readXattrs(root);
  const names = walk(root, '');
  return new Map(names.map((name) => [`/${name}`, readEntry(root, name, xattrs.get(`/${name}`))]));
}

/** Node's own recursive listing follows symbolic links. */
function walk(root: string, folder: string): string[] {
  return readdirSync(join(root, folder), {withFileTypes: true}).flatMap((entry) => {
    const name = join(folder, entry.name);
    return entry.isDirectory() ? [name, ...walk(root, name)] : [name];
  });
}

function readEntry(root: string, name: string, xattrs: unknown): TreeEntry {
  const file = join(root, name);
  const stats = lstatSync(file);
  const common = {
    path: `/${name}`,
    mode: `0o${(stats.mode & 0o7777).toString(8)}`,
    uid: stats.uid,
    gid: stats.gid,
    ...(xattrs !== undefined && {xattrs}),
  };
  if (stats.isDirectory()) return {...common, type: 'dir'};
  if (stats.isSymbolicLink()) return {...common, type: 'symlink', target: readlinkSync(file)};
  if (stats.isCharacterDevice()) return {...common, type: 'char', rdev: [stats.rdev >> 8, stats.rdev & 0xff]};
  const bytes = readFileSync(file);
  return {...common, type: 'file', size: bytes.length, sha256: sha256Hex(bytes), nlink: stats.nlink};
}

const program = `
import json, os, sys
found = {}
for folder, dirs, files in os.walk(sys.argv[1]):
    for name in dirs + files:
        path = os.path.join(folder, name)
        names = os.listxattr(path, follow_symlinks=False)
        if names:
            key = "/" + os.path.relpath(path, sys.argv[1])
            found[key] = {n: os.getxattr(path, n, follow_symlinks=False).hex() for n in names}
json.dump(found, sys.stdout)
`;

/** Node.js cannot read extended attributes either. */
function readXattrs(root: string): Map<string, unknown> {
  const text = execFileSync('python3', ['-c', program, root], {encoding: 'utf8'});
  return new Map(Object.entries(JSON.parse(text) as Record<string, unknown>));
}
