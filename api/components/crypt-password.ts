import {createHash} from 'node:crypto';

const rounds = 5000;
const alphabet = './0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

const known = new Map<string, string>();

/**
 * The crypt(5) hash `$6$…` of a password, as /etc/shadow has it: SHA-crypt with SHA-512 (Ulrich Drepper, "Unix crypt using
 * SHA-256 and SHA-512").
 *
 * Computed here, so that no engine, container or volume ever sees the password.
 *
 * @param salt up to 16 characters of `./0-9A-Za-z`.
 */
export function cryptPassword(password: string, salt: string): string {
  const key = `${salt}$${password}`;
  const hash =
    known.get(key) ?? `$6$${salt}$${encode(sha512crypt(Buffer.from(password), Buffer.from(salt)))}`;
  known.set(key, hash);
  return hash;
}

function sha512crypt(password: Buffer, salt: Buffer): Buffer {
  const b = sha512(password, salt, password);
  const a = [password, salt, repeated(b, password.length)];
  for (let bits = password.length; bits > 0; bits >>= 1) a.push(bits & 1 ? b : password);
  const p = repeated(sha512(...Array.from({length: password.length}, () => password)), password.length);
  let digest = sha512(...a);
  const s = repeated(sha512(...Array.from({length: 16 + (digest[0] ?? 0)}, () => salt)), salt.length);
  for (let round = 0; round < rounds; round++) {
    const odd = round % 2 === 1;
    digest = sha512(
      odd ? p : digest,
      ...(round % 3 === 0 ? [] : [s]),
      ...(round % 7 === 0 ? [] : [p]),
      odd ? digest : p,
    );
  }
  return digest;
}

function sha512(...parts: readonly Buffer[]): Buffer {
  const hash = createHash('sha512');
  for (const part of parts) hash.update(part);
  return hash.digest();
}

function repeated(block: Buffer, length: number): Buffer {
  return Buffer.alloc(length, block);
}

/** Three bytes each become four characters, least significant first; the bytes of a group are 21 apart, and rotate. */
function encode(digest: Buffer): string {
  let text = '';
  const append = (value: number, count: number) => {
    for (let index = 0; index < count; index++) text += alphabet[(value >> (6 * index)) & 0x3f] ?? '';
  };
  const at = (index: number) => digest[index] ?? 0;
  for (let group = 0; group < 21; group++) {
    const order = [group, group + 21, group + 42];
    const [high = 0, middle = 0, low = 0] = [0, 1, 2].map((item) => order[(item + group) % 3] ?? 0);
    append((at(high) << 16) | (at(middle) << 8) | at(low), 4);
  }
  append(at(63), 2);
  return text;
}
