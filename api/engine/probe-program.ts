/** How a Linux program of an architecture ends with status 0: ELF machine, word size, byte order, machine code. */
interface Architecture {
  readonly machine: number;
  readonly bits: 32 | 64;
  readonly bigEndian?: boolean;
  readonly flags?: number;
  readonly code: readonly number[];
}

const architectures: Readonly<Record<string, Architecture>> = {
  // mov x8, #93; mov x0, #0; svc #0
  arm64: {machine: 183, bits: 64, code: [0xd2800ba8, 0xd2800000, 0xd4000001]},
  // mov r7, #1; mov r0, #0; svc 0
  armhf: {machine: 40, bits: 32, flags: 0x05000400, code: [0xe3a07001, 0xe3a00000, 0xef000000]},
  // li v0, 4001; li a0, 0; syscall
  mips: {
    machine: 8,
    bits: 32,
    bigEndian: true,
    flags: 0x50001005,
    code: [0x24020fa1, 0x24040000, 0x0000000c],
  },
  // mov eax, 1; xor ebx, ebx; int 0x80 (bytes in order, padded with nop)
  i386: {machine: 3, bits: 32, code: [0x000001b8, 0xcddb3100, 0x90909080]},
  // mov eax, 60; xor edi, edi; syscall
  amd64: {machine: 62, bits: 64, code: [0x00003cb8, 0x0fff3100, 0x90909005]},
};

/** Architectures that {@link makeProbeProgram} knows, in Debian's words. */
export const probeArchitectures = Object.keys(architectures);

/**
 * The smallest static program of an architecture: it exits with status 0. Whether a machine can run foreign programs
 * is known only by running one.
 */
export function makeProbeProgram(name: string): Buffer | undefined {
  const architecture = architectures[name];
  if (architecture === undefined) return undefined;
  const {machine, bits, bigEndian = false, flags = 0, code} = architecture;
  const wide = bits === 64;
  const headerBytes = wide ? 64 : 52;
  const programHeaderBytes = wide ? 56 : 32;
  const codeAt = headerBytes + programHeaderBytes;
  const file = Buffer.alloc(codeAt + code.length * 4);
  const address = 0x400000;
  const u16 = (value: number, at: number) =>
    bigEndian ? file.writeUInt16BE(value, at) : file.writeUInt16LE(value, at);
  const u32 = (value: number, at: number) =>
    bigEndian ? file.writeUInt32BE(value, at) : file.writeUInt32LE(value, at);
  // Every 64-bit field here holds a small number, and every 64-bit architecture here is little-endian.
  const word = (value: number, at: number) => u32(value, at);

  // ELF header (System V ABI): ident, type EXEC, machine, version, entry, program header offset, sizes.
  file.set([0x7f, 0x45, 0x4c, 0x46, wide ? 2 : 1, bigEndian ? 2 : 1, 1]);
  u16(2, 16);
  u16(machine, 18);
  u32(1, 20);
  word(address + codeAt, 24);
  word(headerBytes, wide ? 32 : 28);
  u32(flags, wide ? 48 : 36);
  u16(headerBytes, wide ? 52 : 40);
  u16(programHeaderBytes, wide ? 54 : 42);
  u16(1, wide ? 56 : 44);

  // One segment: the whole file, readable and executable.
  const at = headerBytes;
  u32(1, at);
  if (wide) {
    u32(5, at + 4);
    word(address, at + 16);
    word(address, at + 24);
    word(file.length, at + 32);
    word(file.length, at + 40);
    word(0x1000, at + 48);
  } else {
    u32(address, at + 8);
    u32(address, at + 12);
    u32(file.length, at + 16);
    u32(file.length, at + 20);
    u32(5, at + 24);
    u32(0x1000, at + 28);
  }
  code.forEach((instruction, i) => u32(instruction, codeAt + i * 4));
  return file;
}
