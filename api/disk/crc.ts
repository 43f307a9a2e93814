/** Castagnoli's polynomial and that of CRC-16, bits reversed. */
const crc32cTable = tableOf(0x82f63b78);
const crc16Table = tableOf(0xa001);

/** CRC-32C of `bytes` after `crc`, which is ~0 at the start; nothing is inverted at the end, as ext4 wants it. */
export function crc32c(crc: number, bytes: Uint8Array): number {
  let value = crc;
  for (const byte of bytes) value = (value >>> 8) ^ (crc32cTable[(value ^ byte) & 0xff] ?? 0);
  return value >>> 0;
}

/** CRC-16 (polynomial 0x8005) of `bytes` after `crc`. */
export function crc16(crc: number, bytes: Uint8Array): number {
  let value = crc;
  for (const byte of bytes) value = (value >>> 8) ^ (crc16Table[(value ^ byte) & 0xff] ?? 0);
  return value & 0xffff;
}

function tableOf(polynomial: number): Uint32Array {
  return Uint32Array.from({length: 256}, (_, index) => {
    let value = index;
    for (let bit = 0; bit < 8; bit++) value = (value & 1) === 0 ? value >>> 1 : (value >>> 1) ^ polynomial;
    return value >>> 0;
  });
}

/** A number as four bytes, as checksums take it in. */
export function le32(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeUInt32LE(value >>> 0);
  return bytes;
}
