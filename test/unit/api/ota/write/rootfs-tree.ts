import {execFileSync} from 'node:child_process';
import {chmod, link, mkdir, symlink, writeFile} from 'node:fs/promises';
import {join} from 'node:path';

/** Makes a root file system with the oddities that a format can lose. Gives its folder. */
export async function makeTree(folder: string): Promise<string> {
  const root = join(folder, 'rootfs');
  await mkdir(join(root, 'etc'), {recursive: true});
  await mkdir(join(root, 'many'));
  for (let index = 0; index < 140; index++) {
    await writeFile(join(root, 'many', `file ${index}`), `content of file ${index}\n`.repeat(5 + index));
  }
  await writeFile(join(root, 'etc/empty'), '');
  await writeFile(join(root, 'etc/64'), 'x'.repeat(64));
  await writeFile(join(root, 'etc/65'), 'y'.repeat(65));
  await writeFile(join(root, "it's “quoted”, ü;#"), 'name');
  await writeFile(join(root, 'text'), 'a line that is there often\n'.repeat(9000));
  await link(join(root, 'text'), join(root, 'hard link'));
  await symlink('../nowhere', join(root, 'etc/dangling'));
  await writeFile(join(root, 'suid'), 'z'.repeat(200));
  await chmod(join(root, 'suid'), 0o6755);
  await chmod(join(root, 'etc'), 0o1777);
  return root;
}

/** The same root file system as a tar archive. */
export function packTree(root: string, tar: string): string {
  execFileSync('tar', ['--create', '--format=pax', '--file', tar, '--directory', root, '.']);
  return tar;
}
