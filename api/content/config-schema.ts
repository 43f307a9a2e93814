import {z} from 'zod';
import {findByteSize} from '../../configs/human-units.ts';
import {checksumAlgorithms} from '../download/download-request.ts';
import {parseImageReference} from '../registry/reference.ts';

// Messages are the rest of a sentence that starts with the field's name.

const text = () => z.string('must be a text: put it in quotes').min(1, 'must not be empty');
const flag = () => z.boolean('must be true or false');
const list = <T extends z.ZodType>(item: T) => z.array(item, 'must be a list');
const one = <T extends Record<string, z.ZodType>>(fields: T) =>
  z.strictObject(fields, 'must be a map of fields');

const sizeExample = 'a size such as 8G (decimal), 2.4GiB (binary) or 512';
const size = (others: readonly string[] = []) => {
  const message = ['must be', sizeExample, ...others.map((other) => `, or ${other}`)]
    .join(' ')
    .replaceAll(' ,', ',');
  const isRight = (value: string) => others.includes(value) || findByteSize(value) !== undefined;
  return z.union([z.int(message).nonnegative(message), z.string().refine(isRight, message)], message);
};

/** What a file has to hash to. */
const Checksum = one({
  algo: z
    .enum(checksumAlgorithms, `must be one of ${checksumAlgorithms.join(', ')}`)
    .describe('Algorithm of the checksum.'),
  value: text().describe('The digest in hex; with kind url, the address of a text whose first word it is.'),
  kind: z
    .enum(['digest', 'url'], 'must be digest or url')
    .optional()
    .describe('What value is; digest when absent.'),
});
export type ChecksumDocument = z.infer<typeof Checksum>;

const Base = one({
  source: text()
    .optional()
    .describe(
      'A version of the official releases, or where the base image lies: http(s), file:// or a path. Plain, .xz, .zst, .gz or .zip.',
    ),
  pipeline: text()
    .optional()
    .describe(
      'Instead of source: the configs.json of an image that hypriotkit builds, or the folder it was built into.',
    ),
  releases: text().optional().describe('Folder of the official releases, as http(s) or file address.'),
  root_size: size()
    .optional()
    .describe('Where the data partition begins. Read from the partition table when absent.'),
  rootfs_size: size().optional().describe('Older name of root_size.'),
  checksum: Checksum.optional().describe('Of the base image as it is downloaded.'),
});

const Output = one({
  size: size(['auto'])
    .optional()
    .describe('Size of the image; auto, the default, for the smallest that holds the content.'),
  shrink: flag()
    .optional()
    .describe('Make the image no larger than auto would, but check that it fits into size.'),
  compress: flag().optional().describe('Accepted, without effect: compress the image afterwards.'),
});

const reference = () =>
  text().refine(
    (value) => parseImageReference(value) !== undefined,
    'must be the name of an image such as ghcr.io/offspot/kiwix-serve:dev',
  );

const OciImage = one({
  ident: reference().optional().describe('Name of the image, with registry and tag or digest.'),
  id: reference().optional().describe('Older name of ident.'),
  url: text().optional().describe('An exported tar of the image (docker save), instead of the registry.'),
  filesize: size().optional().describe('Bytes of the exported tar; looked up when absent.'),
  fullsize: size().optional().describe('Bytes of the unpacked image; looked up when absent.'),
  platform: z
    .string()
    .regex(/^[a-z0-9]+\/[a-z0-9_]+(?:\/[a-z0-9.]+)?$/, 'must be a platform such as linux/arm64/v8')
    .optional()
    .describe('linux/arm64/v8 when absent.'),
});

/** How a file gets from its source into the image. */
export const transformations = ['direct', 'tar', 'gztar', 'bztar', 'xztar', 'zip', 'zstd', 'base64'] as const;
export type Transformation = (typeof transformations)[number];

const ContentFile = one({
  to: text().describe('Path in the image: in /data. For archives, the folder they are unpacked to.'),
  url: text().optional().describe('Where it comes from: http, https, file, or a path on this machine.'),
  mirrors: list(text()).optional().describe('Other addresses of the same file.'),
  content: z.string('must be a text').optional().describe('The content itself, instead of url.'),
  via: z
    .enum(transformations, `must be one of ${transformations.join(', ')}`)
    .optional()
    .describe(
      'direct (default): as it is. tar, gztar, bztar, xztar, zip: unpacked. zstd: decompressed, and unpacked if it is a tar. base64: content decoded.',
    ),
  size: size().optional().describe('Bytes once unpacked; at least the size of the file itself.'),
  checksum: Checksum.optional().describe('Of the file as it is downloaded.'),
});

/** A configuration of a content image, as its file says it. */
export const ContentDocument = one({
  base: z
    .union([text(), Base], 'must be a version such as 1.2.1, or a map with source or pipeline')
    .describe('The image that is filled.'),
  output: Output.optional().describe('The image that is made.'),
  oci_images: list(z.union([reference(), OciImage], 'must be the name of an image, or a map with ident'))
    .optional()
    .describe('Container images, put into /data/images for the device to load.'),
  files: list(ContentFile).optional().describe('Files and archives, put into /data.'),
  write_config: flag().optional().describe('Put this file itself into the image, as /data/conf/image.yaml.'),
  offspot: z
    .record(z.string(), z.unknown(), 'must be a map of fields')
    .optional()
    .describe('Configuration of the device, put onto the boot partition as offspot.yaml.'),
  'image-creator': z
    .record(z.string(), z.unknown())
    .optional()
    .describe('Left by the imager service; without effect.'),
});
export type ContentDocument = z.infer<typeof ContentDocument>;
export type FileDocument = z.infer<typeof ContentFile>;
export type OciImageDocument = z.infer<typeof OciImage>;
export type BaseDocument = z.infer<typeof Base>;

const maps: Readonly<Record<string, {readonly shape: object}>> = {
  '': ContentDocument,
  base: Base,
  'base.checksum': Checksum,
  output: Output,
  oci_images: OciImage,
  files: ContentFile,
  'files.checksum': Checksum,
};

/** The names that a map may have at a place of the file; undefined where any name is right. */
export function knownKeys(path: readonly PropertyKey[]): readonly string[] | undefined {
  const map = maps[path.filter((part) => typeof part === 'string').join('.')];
  return map === undefined ? undefined : Object.keys(map.shape);
}

/** The JSON Schema (draft 7) of a configuration, for editors. */
export function contentJsonSchema(): Record<string, unknown> {
  // Through JSON, because what zod returns carries its own methods.
  const {$schema, ...rest} = JSON.parse(
    JSON.stringify(z.toJSONSchema(ContentDocument, {io: 'input', target: 'draft-7'})),
  ) as Record<string, unknown>;
  return {$schema, title: 'hypriotkit content image', ...rest};
}
