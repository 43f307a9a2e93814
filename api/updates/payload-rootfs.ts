import {EntryList} from '../ota/rootfs/entry-list.ts';
import {openRootfs} from '../ota/rootfs/open-rootfs.ts';
import type {Rootfs} from '../ota/rootfs/rootfs.ts';

/** mke2fs makes it in every file system; it belongs to the one that it is in. */
const lostAndFound = '/lost+found';

/**
 * The root file system of an update: that of the card, and the kernel, which a card has in its boot partition. What both
 * have, as a flash-kernel that is installed, is the card's.
 *
 * @param image the image of the card.
 * @param kernel a tar with the kernel as a root file system has it.
 * @throws {OtaError} ROOTFS_INVALID, NAME_NOT_UTF8
 */
export async function openPayload(image: string, kernel: string): Promise<Rootfs> {
  const card = await openRootfs(image);
  const more = await openRootfs(kernel);
  const list = new EntryList();
  for (const entry of card.entries) if (entry.path !== lostAndFound) list.add(entry, whiteout);
  for (const entry of more.entries) if (list.get(entry.path) === undefined) list.add(entry);
  const {entries} = list.finish();
  return {
    entries,
    // The running system makes its own.
    dropped: card.dropped.filter(({path}) => !path.startsWith('/dev/')),
    [Symbol.asyncDispose]: async () => {
      await card[Symbol.asyncDispose]();
      await more[Symbol.asyncDispose]();
    },
  };
}

/** The only devices among the entries of a root file system. */
const whiteout = {isDevice00: true};
