import {z} from 'zod';
import {StoredFile, StoreEntry} from './store-entry.ts';

/** Media types of what the store keeps in a registry. */
export const mediaType = {
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  entry: 'application/vnd.hypriotkit.entry.v1+json',
  part: 'application/vnd.hypriotkit.part.v1',
  signature: 'application/vnd.hypriotkit.signature.v1+json',
  /** The two bytes `{}`. */
  empty: 'application/vnd.oci.empty.v1+json',
} as const;

export const annotation = {
  step: 'io.hypriotkit.step',
  fingerprint: 'io.hypriotkit.fingerprint',
  /** Bytes of all parts. */
  size: 'io.hypriotkit.size',
  created: 'org.opencontainers.image.created',
} as const;

const Digest = z.string().regex(/^sha256:[0-9a-f]{64}$/);

/** Larger parts than this are nobody's: they are read in memory. */
const mostPartBytes = 64 * 1024 ** 2;

/** Some bytes of a file, as they are. */
export const FilePart = z.object({
  offset: z.int().nonnegative(),
  size: z.int().positive().max(mostPartBytes),
  digest: Digest,
});

export type FilePart = z.infer<typeof FilePart>;

/** A file of an entry in a registry. */
export const RegistryFile = StoredFile.extend({
  /** It becomes the name of a file. */
  name: z.string().regex(/^(?!\.)[^/\x00-\x1f]{1,255}$/),
  /** In order; what none of them covers is zero. Absent where the registry does not keep the file, or it is derived. */
  parts: z.array(FilePart).max(20_000).optional(),
  /** Another file of the entry, packed with zstd, whose content this is. */
  unpackedFrom: z.string().optional(),
});

export type RegistryFile = z.infer<typeof RegistryFile>;

/**
 * An entry as a registry has it: the config blob of the manifest whose tag is the fingerprint. A file that has neither
 * parts nor `unpackedFrom` is known by its digest alone: enough to identify what was made from it.
 */
export const RegistryEntry = StoreEntry.extend({files: z.array(RegistryFile).max(1000)}).superRefine(
  ({files}, context) => {
    const names = new Set(files.map(({name}) => name));
    if (names.size < files.length) context.addIssue({code: 'custom', message: 'a file is in it twice'});
    for (const {name, sizeBytes, parts = [], unpackedFrom} of files) {
      let end = 0;
      for (const {offset, size} of parts) {
        if (offset < end || offset + size > sizeBytes)
          context.addIssue({code: 'custom', message: `the parts of ${name} overlap or do not fit`});
        end = offset + size;
      }
      if (unpackedFrom !== undefined && (unpackedFrom === name || !names.has(unpackedFrom)))
        context.addIssue({code: 'custom', message: `${name} is unpacked from nothing`});
    }
  },
);

export type RegistryEntry = z.infer<typeof RegistryEntry>;

const Descriptor = z.object({
  mediaType: z.string(),
  digest: Digest,
  size: z.int().nonnegative(),
});

export type Descriptor = z.infer<typeof Descriptor>;

/** A manifest, as far as it is read. */
export const EntryManifest = z.object({
  schemaVersion: z.literal(2),
  config: Descriptor,
  layers: z.array(Descriptor).max(40_000),
  annotations: z.record(z.string(), z.string()).optional(),
});
