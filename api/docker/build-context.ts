import {createHash} from 'node:crypto';
import {stat} from 'node:fs/promises';
import {buffer} from 'node:stream/consumers';
import {Readable} from 'node:stream';
import {pack, type PackOptions} from 'tar-fs';

/** A folder with a Dockerfile, ready to be sent to an engine. */
export interface BuildContext {
  /** Hex SHA-256 of `tar`: the same for the same files, whatever the checkout's owner, umask and times. */
  readonly digest: string;
  readonly tar: Buffer;
}

/**
 * Packs a build context. Only names, content and the executable bit count; owners, times and the umask of the
 * checkout do not.
 */
export async function packBuildContext(folder: string): Promise<BuildContext> {
  await stat(folder);
  const options = {
    // Not in the types: entries in the order of their names, and not in that of the file system.
    sort: true,
    map: (header: {mode?: number; type?: string | null}) => ({
      ...header,
      uid: 0,
      gid: 0,
      uname: '',
      gname: '',
      mtime: new Date(0),
      mode: header.type === 'directory' || ((header.mode ?? 0) & 0o100) !== 0 ? 0o755 : 0o644,
    }),
  };
  const stream = pack(folder, options as unknown as PackOptions);
  const tar = await buffer(Readable.from(stream as AsyncIterable<Uint8Array>));
  return {digest: createHash('sha256').update(tar).digest('hex'), tar};
}
