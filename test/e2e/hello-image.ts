import {imageOf, tarOf, type TestImage} from '../unit/api/registry/loopback-registry.ts';

/** What the program of {@link helloImage} prints. */
export const greeting = 'hello from the card';

/** A Docker image for arm64 that holds one static program, which prints a line. */
export function helloImage(): TestImage {
  return imageOf([tarOf('hello', helloProgram(), 0o755)], {config: {Cmd: ['/hello']}});
}

/** write(1, greeting, length); exit(0) */
function helloProgram(): Buffer {
  const text = Buffer.from(`${greeting}\n`);
  const [headers, address] = [64 + 56, 0x400000];
  const movz = (register: number, value: number) => 0xd2800000 + (value << 5) + register;
  const code = [
    movz(8, 64),
    movz(0, 1),
    // adr x1: the text, which follows the code, is six instructions away from here.
    0x10000000 + (6 << 5) + 1,
    movz(2, text.length),
    0xd4000001,
    movz(8, 93),
    movz(0, 0),
    0xd4000001,
  ];
  const file = Buffer.alloc(headers + code.length * 4 + text.length);
  // ELF64, little-endian, EXEC, AArch64, with one segment: the whole file, readable and executable.
  file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  const words: readonly (readonly [at: number, value: number])[] = [
    [16, 2 + (183 << 16)],
    [20, 1],
    [24, address + headers],
    [32, 64],
    [52, 64 + (56 << 16)],
    [56, 1],
    [64, 1],
    [68, 5],
    [80, address],
    [88, address],
    [96, file.length],
    [104, file.length],
    [112, 0x1000],
  ];
  for (const [at, value] of words) file.writeUInt32LE(value, at);
  code.forEach((instruction, index) => file.writeUInt32LE(instruction, headers + index * 4));
  text.copy(file, headers + code.length * 4);
  return file;
}
