import {z} from 'zod';
import {keys} from './annotation-keys.ts';
import {Count, Descriptor} from './descriptor.ts';
import {artifactTypes, mediaTypes} from './media-types.ts';

/** The annotations of index.json, in the order in which they are written. */
export const IndexAnnotations = z.object({
  [keys.builderVersion]: z.string(),
  [keys.createdAt]: Count.optional(),
  [keys.signedAt]: Count.optional(),
  [keys.blobsCount]: Count.optional(),
  [keys.blobsSize]: Count.optional(),
  [keys.platform]: z.string().optional(),
  [keys.sourceRepo]: z.string().optional(),
  [keys.projectVersion]: z.string().optional(),
  [keys.releaseCommit]: z.string().optional(),
  [keys.releaseBranch]: z.string().optional(),
  [keys.webAutoProject]: z.string().optional(),
  [keys.webAutoProjectId]: z.string().optional(),
  [keys.webAutoCatalog]: z.string().optional(),
  [keys.webAutoCatalogId]: z.string().optional(),
  [keys.webAutoEnv]: z.string().optional(),
  [keys.cicdReleaseId]: z.string().optional(),
  [keys.cicdReleaseName]: z.string().optional(),
});
export type IndexAnnotations = z.infer<typeof IndexAnnotations>;

/** index.json: the entry point of an image. */
export const ImageIndex = z.object({
  manifests: z.array(Descriptor),
  annotations: IndexAnnotations,
  schemaVersion: z.literal(2),
  mediaType: z.literal(mediaTypes.imageIndex),
});
export type ImageIndex = z.infer<typeof ImageIndex>;

/** Which of two keys a device trusts an image to be signed with. */
export const ReleaseKey = z.enum(['dev', 'prd']);
export type ReleaseKey = z.infer<typeof ReleaseKey>;

/** What identifies a payload; unique within an image. */
export const PayloadAnnotations = z.object({
  [keys.ecu]: z.string(),
  [keys.releaseKey]: ReleaseKey.default('dev'),
});
export type PayloadAnnotations = z.infer<typeof PayloadAnnotations>;

export type IndexEntryKind = 'payload' | 'otaclient-package' | 'resource-table' | 'unknown';

/**
 * What an entry of the index is. The artifact type decides where there is one, so that kinds of payload that came later
 * are `unknown` and not taken for a root file system; an image manifest without artifact type is a payload.
 */
export function entryKind({mediaType, artifactType}: Descriptor): IndexEntryKind {
  switch (mediaType) {
    case mediaTypes.imageManifest:
      return artifactType === undefined || artifactType === artifactTypes.fileBasedImage
        ? 'payload'
        : 'unknown';
    case mediaTypes.otaclientManifest:
      return 'otaclient-package';
    case mediaTypes.resourceTable:
    case mediaTypes.resourceTableZstd:
      return 'resource-table';
    default:
      return 'unknown';
  }
}
