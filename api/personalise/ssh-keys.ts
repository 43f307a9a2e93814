import {readFile} from 'node:fs/promises';
import {PipelineError} from '../errors.ts';

/** Types that sshd of Debian accepts (sshd(8), AUTHORIZED_KEYS FILE FORMAT). */
const types: ReadonlySet<string> = new Set([
  'ssh-ed25519',
  'ssh-rsa',
  'ecdsa-sha2-nistp256',
  'ecdsa-sha2-nistp384',
  'ecdsa-sha2-nistp521',
  'sk-ssh-ed25519@openssh.com',
  'sk-ecdsa-sha2-nistp256@openssh.com',
]);

/**
 * The public keys that `given` names: the text of a key, or a file that holds one or more.
 *
 * @throws PipelineError `USAGE`
 */
export async function readSshKeys(given: string): Promise<string[]> {
  if (looksLikeKey(given)) {
    const problem = findProblem(given.trim());
    if (problem === undefined) return [given.trim()];
    throw bad(`the SSH key (--ssh-key) ${JSON.stringify(shorten(given))} ${problem}`);
  }
  const text = await readFile(given, 'utf8').catch((error: unknown) => {
    const {code} = error as NodeJS.ErrnoException;
    throw bad(
      code === 'ENOENT'
        ? `the SSH key (--ssh-key) ${JSON.stringify(shorten(given))} is no key, and there is no such file`
        : `the SSH key file (--ssh-key) ${given} cannot be read (${code ?? String(error)})`,
      error,
    );
  });
  if (text.includes('PRIVATE KEY-----'))
    throw bad(`${given} (--ssh-key) is a private key, which must never leave this machine`);
  const keys: string[] = [];
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    const key = line.trim();
    if (key === '' || key.startsWith('#')) continue;
    const problem = findProblem(key);
    if (problem !== undefined) throw bad(`line ${index + 1} of ${given} (--ssh-key) ${problem}`);
    keys.push(key);
  }
  if (keys.length === 0) throw bad(`${given} (--ssh-key) holds no key`);
  return keys;
}

function looksLikeKey(given: string): boolean {
  const [first = '', second = ''] = given.trim().split(/\s+/);
  return types.has(first) || second.startsWith('AAAA') || /^(ssh|ecdsa|sk)-\S+\s/.test(given.trim());
}

/** What is wrong with the line of a key; options before the type are not looked for. */
function findProblem(key: string): string | undefined {
  const [type = '', blob = ''] = key.split(/\s+/);
  if (type === 'ssh-dss') return 'is a DSA key, which OpenSSH no longer accepts';
  if (!types.has(type)) return 'is not a public key of OpenSSH';
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(blob)) return 'is damaged: its second word is not base64';
  const bytes = Buffer.from(blob, 'base64');
  // The key starts with its type again, with the length before (RFC 4253, 6.6).
  const length = bytes.length >= 4 ? bytes.readUInt32BE(0) : 0;
  if (bytes.toString('latin1', 4, 4 + length) !== type) return `is damaged: what it holds is no ${type} key`;
  for (let at = 4 + length; at < bytes.length;) {
    if (at + 4 > bytes.length) return 'is cut off';
    at += 4 + bytes.readUInt32BE(at);
    if (at > bytes.length) return 'is cut off';
  }
  return bytes.length > 4 + length + 4 ? undefined : 'is cut off';
}

function shorten(text: string): string {
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}

function bad(message: string, cause?: unknown): PipelineError {
  return new PipelineError('USAGE', message, {
    cause,
    hint: 'Give the file of a public key, such as ~/.ssh/id_ed25519.pub; ssh-keygen -t ed25519 makes a pair.',
  });
}
