import {crc32c, le32} from './crc.ts';
import {extentsFlag} from './ext4-extents.ts';
import type {Ext4Superblock} from './ext4-superblock.ts';

/** Types in the mode of an inode. */
export const inodeTypes = {file: 0x8000, folder: 0x4000, link: 0xa000} as const;
const typeMask = 0xf000;
/** The folder has a hash tree. */
const indexFlag = 0x1000;

/** What a person sets about a file. */
export interface FileAttributes {
  /** Permission bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Seconds since 1970. */
  readonly mtime: number;
}

/** An inode of an ext4 that is written to (Linux, Documentation/filesystems/ext4/inodes.rst). */
export class Ext4Inode {
  readonly number: number;
  readonly bytes: Buffer;

  /** @param bytes All of the inode; changed in place. */
  constructor(number: number, bytes: Buffer) {
    this.number = number;
    this.bytes = bytes;
  }

  get type(): number {
    return this.bytes.readUInt16LE(0) & typeMask;
  }

  get sizeBytes(): number {
    return this.bytes.readUInt32LE(4) + this.bytes.readUInt32LE(108) * 2 ** 32;
  }

  get links(): number {
    return this.bytes.readUInt16LE(26);
  }

  set links(count: number) {
    this.bytes.writeUInt16LE(count, 26);
  }

  /** Whether its place for the mapping holds the target of a link instead. */
  get isShortLink(): boolean {
    return this.type === inodeTypes.link && this.sizeBytes < 60 && !this.hasExtents;
  }

  get hasExtents(): boolean {
    return (this.bytes.readUInt32LE(32) & extentsFlag) !== 0;
  }

  /** The block with extended attributes, 0 when there is none. */
  get attributeBlock(): number {
    return this.bytes.readUInt32LE(104) + this.bytes.readUInt16LE(118) * 2 ** 32;
  }

  /** What all checksums of this file start with. */
  checksumSeed({checksumSeed}: Ext4Superblock): number {
    return crc32c(crc32c(checksumSeed, le32(this.number)), this.bytes.subarray(100, 104));
  }

  /** Makes a new file of it. */
  format(type: number, attributes: FileAttributes, now: number, {extraInodeBytes}: Ext4Superblock): void {
    const {bytes} = this;
    const {mode, uid, gid, mtime} = attributes;
    bytes.fill(0);
    bytes.writeUInt16LE(type | (mode & 0o7777), 0);
    bytes.writeUInt16LE(uid & 0xffff, 2);
    bytes.writeUInt16LE(uid >>> 16, 120);
    bytes.writeUInt16LE(gid & 0xffff, 24);
    bytes.writeUInt16LE(gid >>> 16, 122);
    if (extraInodeBytes > 0) bytes.writeUInt16LE(extraInodeBytes, 128);
    this.#writeTime(8, 140, now);
    this.#writeTime(12, 132, now);
    this.#writeTime(16, 136, mtime);
    if (extraInodeBytes >= 20) this.#writeTime(144, 148, now);
    this.links = 1;
  }

  /** Notes that its content or its names have changed. */
  touch(now: number): void {
    this.#writeTime(12, 132, now);
    this.#writeTime(16, 136, now);
  }

  /** Makes it unused. */
  clear(now: number): void {
    this.bytes.fill(0);
    this.bytes.writeUInt32LE(now % 2 ** 32, 20);
  }

  /** @param map The 60 bytes that lead to the content. */
  setContent(content: {
    readonly sizeBytes: number;
    readonly blocks: number;
    readonly map: Buffer;
    readonly blockBytes: number;
  }): void {
    const {sizeBytes, blocks, map, blockBytes} = content;
    const {bytes} = this;
    const sectors = (blocks * blockBytes) / 512;
    bytes.writeUInt32LE(sizeBytes % 2 ** 32, 4);
    bytes.writeUInt32LE(Math.floor(sizeBytes / 2 ** 32), 108);
    bytes.writeUInt32LE(sectors % 2 ** 32, 28);
    bytes.writeUInt16LE(Math.floor(sectors / 2 ** 32), 116);
    // A folder loses its hash tree: its blocks are written in the plain form.
    bytes.writeUInt32LE((bytes.readUInt32LE(32) & ~indexFlag) | extentsFlag, 32);
    map.copy(bytes, 40);
  }

  setShortLink(target: Buffer): void {
    this.bytes.writeUInt32LE(target.length, 4);
    target.copy(this.bytes, 40);
  }

  writeChecksum(superblock: Ext4Superblock): void {
    if (!superblock.hasMetadataChecksums) return;
    const {bytes} = this;
    const hasHigh = bytes.length > 128 && bytes.readUInt16LE(128) >= 4;
    bytes.writeUInt16LE(0, 124);
    if (hasHigh) bytes.writeUInt16LE(0, 130);
    const sum = crc32c(this.checksumSeed(superblock), bytes);
    bytes.writeUInt16LE(sum & 0xffff, 124);
    if (hasHigh) bytes.writeUInt16LE(sum >>> 16, 130);
  }

  /** 34 bits: the upper two lie in the larger part of the inode. */
  #writeTime(at: number, extraAt: number, seconds: number): void {
    this.bytes.writeUInt32LE(seconds % 2 ** 32, at);
    const hasExtra = this.bytes.length > 128 && this.bytes.readUInt16LE(128) >= extraAt + 4 - 128;
    // The lower half is signed: dates from 2038 on count from the next epoch.
    if (hasExtra) this.bytes.writeUInt32LE(Math.floor((seconds + 2 ** 31) / 2 ** 32) & 3, extraAt);
  }
}
