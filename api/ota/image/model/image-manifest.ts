import {z} from 'zod';
import {keys} from './annotation-keys.ts';
import {descriptorOf} from './descriptor.ts';
import {ReleaseKey} from './image-index.ts';
import {mediaTypes} from './media-types.ts';

/** The annotations of an image manifest, in the order in which they are written. */
export const ManifestAnnotations = z.object({
  [keys.ecu]: z.string(),
  [keys.releaseKey]: ReleaseKey.default('dev'),
  [keys.jetsonBspVersion]: z.string().optional(),
  [keys.platform]: z.string().optional(),
  [keys.ecuHardwareModel]: z.string().optional(),
  [keys.ecuHardwareSeries]: z.string().optional(),
  [keys.ecuArchitecture]: z.string(),
});
export type ManifestAnnotations = z.infer<typeof ManifestAnnotations>;

/** Points to the file table of a payload, raw or compressed. */
export const FileTableDescriptor = descriptorOf(mediaTypes.fileTable, mediaTypes.fileTableZstd);

/** The manifest of one payload. The reference writes no `artifactType` in it, and neither do we. */
export const ImageManifest = z.object({
  config: descriptorOf(mediaTypes.imageConfig),
  layers: z.tuple([FileTableDescriptor]),
  annotations: ManifestAnnotations,
  schemaVersion: z.literal(2),
  mediaType: z.literal(mediaTypes.imageManifest),
});
export type ImageManifest = z.infer<typeof ImageManifest>;
