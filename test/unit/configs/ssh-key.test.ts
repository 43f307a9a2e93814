import fc from 'fast-check';
import {generateKeyPairSync} from 'node:crypto';
import {describe, expect, it} from 'vitest';
import {findSshKeyProblem} from '../../../configs/ssh-key.ts';
import {linesOfValue} from './check.ts';
import {sshBlob, sshKeyLine} from './ssh-keys.ts';

const types = [
  'ssh-ed25519',
  'ssh-rsa',
  'ecdsa-sha2-nistp256',
  'ecdsa-sha2-nistp384',
  'ecdsa-sha2-nistp521',
  'sk-ssh-ed25519@openssh.com',
  'sk-ecdsa-sha2-nistp256@openssh.com',
];

describe.each(types)('a key of type %s', (type) => {
  const blob = sshBlob(type);

  it('is accepted, with and without a comment', () => {
    expect(findSshKeyProblem(`${type} ${blob.toString('base64')}`)).toBeUndefined();
    expect(findSshKeyProblem(`${type} ${blob.toString('base64')} me at home, "quoted"`)).toBeUndefined();
  });

  it('is refused when it was cut off anywhere, or goes on', () => {
    fc.assert(
      fc.property(fc.integer({min: 0, max: blob.length - 1}), (length) => {
        expect(findSshKeyProblem(`${type} ${blob.subarray(0, length).toString('base64')}`)).toBeDefined();
      }),
    );
    const longer = Buffer.concat([blob, Buffer.from('x')]).toString('base64');
    expect(findSshKeyProblem(`${type} ${longer}`)).toMatch(/too early or goes on too long/);
  });

  it('is refused under the name of another type', () => {
    const other = type === 'ssh-rsa' ? 'ssh-ed25519' : 'ssh-rsa';
    expect(findSshKeyProblem(`${other} ${blob.toString('base64')}`)).toBe(
      `says ${other}, but its content is ${type}`,
    );
  });
});

describe('what is no key', () => {
  it.each([
    ['', /^must be a line of a \.pub file/],
    ['hello', /the types are ssh-ed25519/],
    ['constructor AAAA', /the types are ssh-ed25519/],
    ['ssh-ed25519', /is not base64/],
    ['ssh-ed25519 AAA', /cut off/],
    ['ssh-ed25519 AAAA', /too early/],
    ['ssh-ed25519  AAAA', /is not base64/],
    ['ssh-dss AAAA', /DSA/],
    ['-----BEGIN OPENSSH PRIVATE KEY-----', /private key/],
    [`${sshKeyLine()}\nssh-rsa AAAA`, /one line/],
    // A length that points far beyond the end.
    [`ssh-ed25519 ${Buffer.from('ffffffff00', 'hex').toString('base64')}`, /too early/],
  ])('%.30j is refused', (line, message) => {
    expect(findSshKeyProblem(line)).toMatch(message);
  });

  it('never throws', () => {
    fc.assert(
      fc.property(fc.constantFrom(...types), fc.uint8Array(), (type, bytes) => {
        expect(findSshKeyProblem(`${type} ${Buffer.from(bytes).toString('base64')}`)).toBeTypeOf('string');
      }),
    );
  });

  it('is an RSA key that is too short', () => {
    const {n = '', e = ''} = generateKeyPairSync('rsa', {modulusLength: 768}).publicKey.export({
      format: 'jwk',
    });
    const parts = ['ssh-rsa', Buffer.from(e, 'base64url'), Buffer.from(`AA${n}`, 'base64url')].map((part) =>
      Buffer.from(part),
    );
    const blob = Buffer.concat(parts.flatMap((part) => [Buffer.from([0, 0, 0, part.length]), part]));
    expect(findSshKeyProblem(`ssh-rsa ${blob.toString('base64')}`)).toMatch(/less than 1024 bits|too early/);
  });
});

it('a wrong key is reported at its place in the list', () => {
  const [line] = linesOfValue({root_fs: {ssh_authorized_keys: [sshKeyLine(), 'ssh-ed25519 AAAA']}});
  expect(line).toMatch(/^1:\d+ root_fs\.ssh_authorized_keys\[1\] is not a complete key/);
});
