import {z} from 'zod';
import {oneOf, text} from './fields.ts';
import {parseImageReference} from './image-reference.ts';
import {archiveUrl, requiredLocalPath} from './system-fields.ts';

// Fields of rpi_sd_image. As in fields.ts, a message is the rest of a sentence: "must be …".

/** The forms that an image can be delivered in; `none` is the image itself. */
export const compressions = ['none', 'zip', 'zst', 'xz'] as const;

/** Longer lines of config.txt are cut off by the firmware. */
const longestConfigLine = 98;

/** Parameters for the kernel's command line. */
export function kernelParameters() {
  const error = 'must be kernel parameters with one space between them';
  return (
    z
      .string({error})
      // With ours it must stay below what the firmware passes on.
      .max(1000, `${error}, at most 1000 characters`)
      .regex(/^(?:[!-~]+(?: [!-~]+)*)?$/, error)
      .refine(
        (line) => !line.split(' ').some((word) => /^root(?:fstype)?=/.test(word)),
        'must not set root= or rootfstype=: the image finds its own root partition by its id',
      )
  );
}

/** Lines for the firmware's config.txt. */
export function configTxtLines() {
  const error = `must be a line for config.txt (printable ASCII, at most ${longestConfigLine} characters)`;
  const line = z.string({error}).regex(new RegExp(`^[ -~]{0,${longestConfigLine}}$`), error);
  return z.array(line, {error: 'must be a list of lines for config.txt'});
}

/** Which forms are delivered. */
export function compression() {
  return z
    .array(oneOf(compressions), {error: `must be a list of ${compressions.join(', ')}`})
    .min(1, 'must name at least one form')
    .refine((forms) => new Set(forms).size === forms.length, 'must name each form once');
}

/** Docker images to have on the card. */
export function preload() {
  const error =
    'must be the name of an image (such as "alpine:3.20"), or an object with archive, a file beside configs.json';
  const name = z
    .string({error})
    .refine((text) => parseImageReference(text) !== undefined, error)
    .meta({description: 'Name of an image, with its registry, tag and digest where it has them.'});
  const archive = z.strictObject(
    {
      archive: requiredLocalPath('an archive of `docker save`').meta({
        description:
          'File beside configs.json: an archive of `docker save`, or an OCI layout in a tar; gzip is read too.',
      }),
    },
    {error},
  );
  const items = z.array(z.union([name, archive], {error: unionError(error)}), {
    error: 'must be a list of Docker images',
  });
  return items.refine((list) => new Set(list.map((item) => JSON.stringify(item))).size === list.length, {
    error: 'must name each image once',
  });
}

/** What is wrong inside an object is said as such. */
function unionError(otherwise: string) {
  return (issue: {
    readonly input?: unknown;
    readonly errors?: readonly (readonly {readonly message: string}[])[];
  }) =>
    (issue.input !== null && typeof issue.input === 'object' && issue.errors?.[1]?.[0]?.message) || otherwise;
}

/** The parts of `docker_repo`. */
export const dockerRepoFields = {
  url: text(/^(?:|https?:\/\/.+)$/, '"" or an http or https address', 2048)
    .refine(
      (url) => url === '' || archiveUrl().safeParse(url).success,
      'must be "" or an http or https address (without user name, password, query and special characters)',
    )
    .meta({description: "Address of a Debian archive with Docker's own packages; empty for none."}),
  key: z
    .string({error: 'must be a file with a public key beside configs.json'})
    .refine(
      (path) => path === '' || requiredLocalPath('x').safeParse(path).success,
      'must be a file with a public key beside configs.json: a relative path without ".."',
    )
    .meta({description: 'File beside configs.json with the public OpenPGP key that signs it.'}),
  suite: text(/^(?:|[a-z][a-z0-9-]*)$/, '"" or the name of a suite (such as "trixie")', 64).meta({
    description: 'Its suite; empty for root_fs.suite.',
  }),
  component: text(/^[a-z][a-z0-9-]*$/, 'the name of a component (such as "stable")', 64).meta({
    description: 'Its component.',
  }),
};

/** A version of Docker Machine. */
export function machineVersion() {
  return text(/^(?:none|[0-9][A-Za-z0-9.+~-]*)$/, '"none" or a version (such as "0.16.2")', 64);
}

/** Where Docker Machine can be downloaded from. */
export function machineUrl() {
  const error = 'must be "" or an http or https address, with {version} where the version stands';
  return z
    .string({error})
    .max(2048, error)
    .regex(/^(?:https?:\/\/[A-Za-z0-9._~:/+,=%{}-]+)?$/, error)
    .refine((url) => url === '' || URL.canParse(url), error);
}

/** A SHA-256 that may be missing. */
export function optionalSha256() {
  return text(/^(?:[0-9a-f]{64})?$/, '"" or a SHA-256 of 64 lower case hex digits', 64);
}
