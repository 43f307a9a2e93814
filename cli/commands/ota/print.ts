import {once} from 'node:events';
import type {CliContext, Output} from '../../context.ts';

/** Prints a value as JSON, indented by two as the reference does. */
export function printJson(context: CliContext, value: unknown): void {
  context.stdout.write(`${JSON.stringify(value, undefined, 2)}\n`);
}

/** Prints bytes as they are; waits where the reader is slow. */
export async function printBytes(output: Output, pieces: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const piece of pieces) {
    if (output.write(piece) === false) await once(output as NodeJS.WriteStream, 'drain');
  }
}
