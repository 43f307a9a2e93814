import type {z} from 'zod';
import {OtaError} from '../../ota-error.ts';

/** Deeper documents could make functions that call themselves run out of room; ours are 5 deep. */
const maxDepth = 100;

/**
 * The exact bytes of a document: UTF-8, no white space, no final newline, non-ASCII characters as they are, no `null`,
 * and the members in the order in which `schema` declares them (zod builds its result in that order).
 */
export function writeDocument<T extends z.ZodType>(schema: T, value: z.input<T>): Buffer {
  return Buffer.from(JSON.stringify(schema.parse(withoutNull(value))), 'utf8');
}

/**
 * Reads a document. `null` members count as absent, unknown members are ignored.
 * @throws {OtaError} METADATA_INVALID, naming `what` and the member
 */
export function readDocument<T extends z.ZodType>(schema: T, bytes: Uint8Array, what: string): z.output<T> {
  const value = parseJson(bytes, what);
  if (isDeeperThan(maxDepth, value))
    throw new OtaError('METADATA_INVALID', `${what} is not valid: it is nested more than ${maxDepth} deep`);
  const result = schema.safeParse(withoutNull(value));
  if (result.success) return result.data;
  const problems = result.error.issues.map(
    ({path, message}) => `${path.join('.') || 'document'}: ${message}`,
  );
  throw new OtaError('METADATA_INVALID', `${what} is not valid: ${problems.slice(0, 3).join('; ')}`);
}

function parseJson(bytes: Uint8Array, what: string): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', {fatal: true, ignoreBOM: true}).decode(bytes));
  } catch (error) {
    throw new OtaError('METADATA_INVALID', `${what} is not JSON: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

function isDeeperThan(levels: number, value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return levels === 0 || Object.values(value).some((member) => isDeeperThan(levels - 1, member));
}

function withoutNull(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNull);
  if (typeof value !== 'object' || value === null) return value;
  const members = Object.entries(value).filter(([, member]) => member !== null && member !== undefined);
  // `fromEntries` defines members, so that one called `__proto__` stays data.
  return Object.fromEntries(members.map(([name, member]) => [name, withoutNull(member)]));
}
