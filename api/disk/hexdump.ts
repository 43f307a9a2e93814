const rowBytes = 16;

/** Rows of a hexdump as `hexdump -C` prints them; `offset` is that of the first byte. */
export function hexdump(bytes: Buffer, offset: number): string[] {
  const rows: string[] = [];
  for (let at = 0; at < bytes.length; at += rowBytes) {
    const row = bytes.subarray(at, at + rowBytes);
    const hex = Array.from(row, (byte) => byte.toString(16).padStart(2, '0'));
    const text = Array.from(row, (byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.'));
    const left = hex.slice(0, 8).join(' ').padEnd(23);
    const right = hex.slice(8).join(' ').padEnd(23);
    rows.push(`${(offset + at).toString(16).padStart(8, '0')}  ${left}  ${right}  |${text.join('')}|`);
  }
  return rows;
}
