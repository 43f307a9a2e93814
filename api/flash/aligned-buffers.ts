const pageBytes = 65_536;

/** The part of it that is used: the types for Node.js leave it to those of browsers. */
interface WithWasm {
  readonly WebAssembly: {readonly Memory: new (size: {initial: number}) => {readonly buffer: ArrayBuffer}};
}

/**
 * Buffers that begin at the start of a memory page, as the kernel wants them for I/O without its cache. Memory of
 * WebAssembly is what Node.js can have of that kind.
 */
export function makeAlignedBuffers(count: number, bytes: number): readonly Buffer[] {
  const {WebAssembly: wasm} = globalThis as unknown as WithWasm;
  const memory = new wasm.Memory({initial: Math.ceil((count * bytes) / pageBytes)});
  return Array.from({length: count}, (_, index) => Buffer.from(memory.buffer, index * bytes, bytes));
}
