import {z} from 'zod';
import {mirror, oneOf, text} from './fields.ts';
import {findSshKeyProblem} from './ssh-key.ts';

// Fields of root_fs that describe the system. As in fields.ts, a message is the rest of a sentence: "must be …".

/** What mmdebstrap calls these sets; `apt` alone has no base set, so it is the one for containers. */
export const installVariants = ['apt', 'minbase', 'important', 'standard'] as const;

/** A file or folder beside configs.json, by a relative path that stays there; empty for none. */
export function localPath(what: string) {
  const error = `must be ${what} beside configs.json: a relative path without ".."`;
  return z
    .string({error})
    .max(512, error)
    .regex(/^(?:[^/\\\x00-\x1f\x7f]+(?:\/[^/\\\x00-\x1f\x7f]+)*\/?)?$/, error)
    .refine((path) => !path.split('/').some((part) => part === '..' || part === '.'), error);
}

/** The same for a path that must be there. */
export function requiredLocalPath(what: string) {
  return localPath(what).refine((path) => path !== '', `must be ${what} beside configs.json`);
}

/** Public SSH keys, as lines of `.pub` files. */
export function sshAuthorizedKeys() {
  const error = 'must be a public SSH key';
  return z.array(
    z
      .string({error})
      .max(16_384, {error: `${error}, at most 16384 characters`, abort: true})
      .superRefine((line, context) => {
        const message = findSshKeyProblem(line);
        if (message !== undefined) context.addIssue({code: 'custom', message});
      }),
    {error: 'must be a list of public SSH keys'},
  );
}

/** A locale by its name in glibc. */
export function locale() {
  return text(
    /^(?:C|POSIX|C\.UTF-8|[a-z]{2,3}_[A-Z]{2}(?:\.UTF-8)?(?:@[a-z]{1,16})?)$/,
    'the name of a locale (such as "C.UTF-8" or "de_DE.UTF-8")',
    64,
  );
}

/** A time zone of the tz database. */
export function timezone() {
  const expected = 'the name of a time zone (such as "Europe/Berlin" or "Etc/UTC")';
  return text(/^[A-Z][A-Za-z0-9_+-]*(?:\/[A-Za-z0-9_+-]+){0,2}$/, expected, 64).refine(
    isTimeZone,
    `must be ${expected}`,
  );
}

/** Whether the tz database knows a name. */
export function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', {timeZone: name});
    return true;
  } catch {
    return false;
  }
}

/** A keyboard in the words of XKB; empty for the one that the kernel has. */
export function keyboard() {
  return text(
    /^(?:[a-z]{2,8}(?:\([a-z0-9_-]{1,32}\))?)?$/,
    'a keyboard layout of XKB, with its variant if it is not the usual one (such as "gb" or "de(nodeadkeys)")',
    48,
  );
}

/** How much of Debian is installed. */
export function installVariant() {
  return oneOf(installVariants);
}

/** Other package archives. */
export function aptSources() {
  const source = z.strictObject(
    {
      name: text(/^[a-z0-9][a-z0-9-]*$/, 'a name for its files (lower case letters, digits, "-")', 32).meta({
        description: 'Name of its file in /etc/apt/sources.list.d and of its key in /etc/apt/keyrings.',
      }),
      url: archiveUrl().meta({description: 'Address of the archive.'}),
      suite: archiveSuite().meta({description: 'Suite, or a path that ends with "/" for a flat archive.'}),
      components: archiveComponents().meta({description: 'Components; empty for a flat archive.'}),
      key: requiredLocalPath('a file with its public key').meta({
        description: 'File beside configs.json with the public OpenPGP key that signs the archive.',
      }),
    },
    {error: 'must be an object with name, url, suite, components and key'},
  );
  return z.array(source, {error: 'must be a list of package archives'});
}

/** The address of a package archive that must be there. */
export function archiveUrl() {
  return mirror().refine((url) => url !== '', 'must be an http or https address');
}

/** A suite, or the path of a flat archive. */
export function archiveSuite() {
  return text(
    /^(?:\/|[A-Za-z0-9][A-Za-z0-9._~-]*(?:\/[A-Za-z0-9._~-]+)*\/?)$/,
    'a suite (such as "trixie"), or a path that ends with "/"',
    128,
  ).refine((path) => !path.split('/').includes('..'), 'must be a suite without ".."');
}

/** Components of a package archive. */
export function archiveComponents() {
  const name = text(/^[a-z0-9][a-z0-9/-]*$/, 'the name of a component (such as "main")', 64);
  return z.array(name, {error: 'must be a list of components (such as ["main"])'});
}

/** Programs to run in the root file system. */
export function scripts() {
  return z.array(requiredLocalPath('a script'), {error: 'must be a list of scripts beside configs.json'});
}

/** Yes or no. */
export function flag() {
  return z.boolean({error: 'must be true or false'});
}
