/** An archive that is damaged, or that holds what must not be unpacked. The message says where, without its file name. */
export class ArchiveError extends Error {
  override readonly name = 'ArchiveError';
}
