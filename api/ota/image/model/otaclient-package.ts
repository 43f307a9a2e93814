import {z} from 'zod';
import {Count, Descriptor, descriptorOf} from './descriptor.ts';
import {Digest} from './digest.ts';
import {mediaTypes} from './media-types.ts';

/** manifest.json of an otaclient release folder; stored byte for byte. */
export const ReleaseManifest = z.object({
  schema_version: z.literal('1'),
  date: z.string(),
  packages: z.array(
    z.object({
      filename: z.string(),
      version: z.string(),
      type: z.enum(['squashfs', 'patch']),
      architecture: z.enum(['arm64', 'x86_64']),
      size: Count,
      checksum: Digest,
      metadata: z.record(z.string(), z.unknown()).optional(),
    }),
  ),
});
export type ReleaseManifest = z.infer<typeof ReleaseManifest>;

/** The annotations of a layer of {@link OtaclientManifest}, in the order in which they are written. */
export const OtaclientLayerAnnotations = z.object({
  version: z.string(),
  type: z.literal('squashfs'),
  architecture: z.enum(['arm64', 'x86_64']),
  size: Count,
  checksum: z.string(),
});

/** The manifest of an otaclient package inside an image: one layer for each squashfs. */
export const OtaclientManifest = z.object({
  config: descriptorOf(mediaTypes.otaclientManifest),
  layers: z.array(
    Descriptor.extend({
      annotations: OtaclientLayerAnnotations,
      mediaType: z.literal(mediaTypes.otaclientApp),
    }),
  ),
  annotations: z.object({date: z.string()}),
  schemaVersion: z.literal(2),
  mediaType: z.literal(mediaTypes.imageManifest),
});
export type OtaclientManifest = z.infer<typeof OtaclientManifest>;
