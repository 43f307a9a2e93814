import {z} from 'zod';
import {isGitRef, isGitRepository, parseGitReference} from './git-reference.ts';
import {sizePattern} from './size.ts';

// Every message is the rest of a sentence that starts with the field's name: "must be …".

// The grammar of Docker's reference package (distribution/reference), without the digest.
const host = '(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)';
const registry = `${host}(?:\\.${host})*(?::[0-9]{1,5})?`;
const pathPart = '[a-z0-9]+(?:(?:\\.|__?|-+)[a-z0-9]+)*';
const imageName = `(?:${registry}/)?${pathPart}(?:/${pathPart})*(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?`;

/** Docker's limit for names, Linux's for host names, PAM's for passwords; the others keep file names and logs readable. */
const longest = {imageName: 255, hostname: 63, version: 128, url: 2048, passwordBytes: 512} as const;

/**
 * The accounts and groups that Debian's base-passwd creates in every system; `useradd` and `groupadd` would fail on
 * them in the middle of a build.
 */
const reservedUsers =
  words(`root daemon bin sys sync games man lp mail news uucp proxy www-data backup list irc _apt
  nobody`);
const reservedGroups =
  words(`root daemon bin sys adm tty disk lp mail news uucp man proxy kmem dialout fax voice cdrom
  floppy tape sudo audio dip www-data backup operator list irc src shadow utmp video sasl plugdev staff games users
  nogroup`);

/** A string that matches `pattern`; `expected` completes "must be …". */
export function text(pattern: RegExp, expected: string, maxLength = 255) {
  const error = `must be ${expected}`;
  return (
    z
      .string({error})
      // Stop there, so that no pattern has to be safe with a text of a megabyte.
      .max(maxLength, {error: `${error}, at most ${maxLength} characters`, abort: true})
      .regex(pattern, error)
  );
}

/** One of `values`; the message lists them. */
export function oneOf<const Values extends readonly string[]>(values: Values) {
  return z.enum(values, {error: `must be one of ${values.join(', ')}`});
}

/** A field that has one possible value in this version; `error` says why. */
export function only<const Value extends string>(value: Value, error: string) {
  return z.literal(value, {error});
}

/** The name that a build image gets. */
export function image() {
  return text(
    new RegExp(`^${imageName}$`),
    'the name of a Docker image (such as "me/root-fs:latest")',
    longest.imageName,
  );
}

/** An image whose content cannot change. */
export function pinnedImage() {
  return text(
    new RegExp(`^${imageName}@sha256:[0-9a-f]{64}$`),
    'a Docker image pinned by its digest (such as "debian:trixie-slim@sha256:" and 64 hex digits)',
    longest.imageName + '@sha256:'.length + 64,
  );
}

/** The address of a Debian mirror; empty for Debian's own. */
export function mirror() {
  const error =
    'must be "" or an http or https address (without user name, password, query and special characters)';
  return (
    z
      .string({error})
      .max(longest.url, error)
      // It becomes a line of an apt source list and a word of a shell, to which most other characters are special.
      .regex(/^(?:https?:\/\/[A-Za-z0-9._~:/+,=%-]+)?$/, error)
      .refine((value) => value === '' || URL.canParse(value), error)
  );
}

/** The address of a git repository. */
export function gitRepository() {
  return text(/^\S+$/, 'the address of a git repository (https, ssh, git or file)', longest.url).refine(
    isGitRepository,
    'must be the address of a git repository (https, ssh, git or file)',
  );
}

/** A folder of a git repository: `<url>[#<ref>[:<folder>]]`. */
export function gitFolder() {
  const error =
    'must be the address of a git repository, with #branch or #branch:folder behind it where wanted';
  return text(/^\S+$/, error.slice('must be '.length), longest.url).refine(
    (value) => parseGitReference(value) !== undefined,
    error,
  );
}

/** Where a build image comes from. */
export function buildImageSource() {
  const error =
    'must be "builtin" or the address of a git repository, with #branch or #branch:folder behind it where wanted';
  return text(/^\S+$/, error.slice('must be '.length), longest.url).refine(
    (value) => value === 'builtin' || parseGitReference(value) !== undefined,
    error,
  );
}

/** A git branch, tag or commit id, in the part of git's own rules (check-ref-format) that people use. */
export function gitRef() {
  return text(/^\S+$/, 'the name of a git branch').refine(isGitRef, 'must be the name of a git branch');
}

/** The name of a default configuration of the kernel. */
export function defconfig() {
  return text(
    /^(?:[A-Za-z0-9_][A-Za-z0-9_.-]*_)?defconfig$/,
    'the name of a kernel configuration (such as "bcm2711_defconfig")',
    128,
  );
}

/** Lines of a kernel configuration. */
export function kernelOptions() {
  const line = text(
    /^(?:CONFIG_[A-Za-z0-9_]+=(?:[ymn]|-?[0-9]+|0x[0-9A-Fa-f]+|"[ -!#-[\]-~]*")|# CONFIG_[A-Za-z0-9_]+ is not set)$/,
    'a line of a kernel configuration (such as "CONFIG_EXT4_FS=y")',
    512,
  );
  return z.array(line, {error: 'must be a list of lines of a kernel configuration'});
}

/** What the machine calls itself: RFC 1123 labels. */
export function hostname() {
  const label = '[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?';
  return text(
    new RegExp(`^${label}(?:\\.${label})*$`),
    'a host name (letters, digits, hyphens)',
    longest.hostname,
  );
}

/** The name of the default user. */
export function userName() {
  return accountName('user name', reservedUsers);
}

/** The name of the default user's group. */
export function groupName() {
  return accountName('group name', reservedGroups);
}

function accountName(kind: string, reserved: ReadonlySet<string>) {
  const expected = `a ${kind} (a lower case letter or _, then lower case letters, digits, _ and -)`;
  return text(/^[a-z_][a-z0-9_-]*$/, expected, 32).refine(
    (name) => !reserved.has(name),
    `must be a ${kind} that Debian does not reserve for itself`,
  );
}

const cryptHash =
  /^\$(?:5\$(?:rounds=\d{1,9}\$)?[./A-Za-z0-9]{1,16}\$[./A-Za-z0-9]{43}|6\$(?:rounds=\d{1,9}\$)?[./A-Za-z0-9]{1,16}\$[./A-Za-z0-9]{86}|y\$[./A-Za-z0-9]{1,64}\$[./A-Za-z0-9]{1,86}\$[./A-Za-z0-9]{43})$/;

/** Whether `password` is a crypt(5) hash, which goes into /etc/shadow as it is, and not the password itself. */
export function isPasswordHash(password: string): boolean {
  return cryptHash.test(password);
}

/** A password, or its hash. */
export function password() {
  const error = 'must be a password without line breaks or other control characters, or a crypt hash';
  return (
    z
      .string({error})
      .min(1, 'must not be empty')
      // chpasswd reads lines, and PAM refuses a longer password at the login.
      .refine((value) => !/[\p{Cc}\p{Cs}]/u.test(value), error)
      .refine(
        (value) => Buffer.byteLength(value) <= longest.passwordBytes,
        `must have at most ${longest.passwordBytes} bytes`,
      )
      .refine(
        (value) => isPasswordHash(value) || !/^\$(?:[0-9][a-z]?|y|gy|md5|sha1)\$/.test(value),
        'starts like a crypt hash but is not a complete $5$, $6$ or $y$ one',
      )
  );
}

/** A version that becomes a part of file names. */
export function fileVersion() {
  return text(
    /^[A-Za-z0-9][A-Za-z0-9._-]*$/,
    'a version for file names (letters, digits, ".", "_", "-")',
    longest.version,
  );
}

/** A release of Debian, by the name that its mirrors use. */
export function suite() {
  return text(/^[a-z][a-z0-9-]*$/, 'the name of a Debian suite (such as "trixie")', 64);
}

/** Names of Debian packages, each one once. */
export function packageNames() {
  // Not with a "-" at the end, though Debian allows it: apt takes it as "remove this package".
  const name = text(
    /^[a-z0-9][a-z0-9+.-]*[a-z0-9+.]$/,
    'the name of a Debian package, without version or architecture',
    128,
  );
  return z.array(name, {error: 'must be a list of Debian package names'});
}

/** A size with its unit. */
export function size() {
  return text(sizePattern, 'a size such as "512MiB" or "2GiB" (units MiB, GiB, MB, GB)');
}

/** The same, or "auto". */
export function sizeOrAuto() {
  return text(
    new RegExp(`^auto$|${sizePattern.source}`),
    '"auto" or a size such as "512MiB" or "2GiB" (units MiB, GiB, MB, GB)',
  );
}

/** `words`, or an exact version of a Debian package (Debian policy 5.6.12). */
export function packageVersion(...words: readonly string[]) {
  const quoted = words.map((word) => `"${word}"`).join(', ');
  return text(
    new RegExp(`^(?:${words.join('|')}|(?:[0-9]{1,9}:)?[0-9][A-Za-z0-9.+~-]*)$`),
    `${quoted} or an exact package version`,
    128,
  );
}

function words(list: string): ReadonlySet<string> {
  return new Set(list.split(/\s+/));
}
