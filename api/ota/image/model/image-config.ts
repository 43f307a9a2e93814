import {z} from 'zod';
import {keys} from './annotation-keys.ts';
import {Count, descriptorOf} from './descriptor.ts';
import {FileTableDescriptor} from './image-manifest.ts';
import {mediaTypes} from './media-types.ts';

/** The labels of an image config, in the order in which they are written. */
export const ConfigLabels = z.object({
  [keys.baseImage]: z.string(),
  [keys.os]: z.string().optional(),
  [keys.osVersion]: z.string().optional(),
  [keys.jetsonBspVersion]: z.string().optional(),
  /** Resources that are not inlined in the file table. */
  [keys.blobsCount]: Count,
  [keys.blobsSize]: Count,
  /** Bytes of all paths: hard links and equal files count each time. */
  [keys.rootfsSize]: Count.optional(),
  [keys.regularFilesCount]: Count,
  [keys.nonRegularFilesCount]: Count,
  [keys.dirsCount]: Count,
  /** Resources, inlined ones and the empty file included. */
  [keys.uniqueFilesCount]: Count,
  [keys.uniqueFilesSize]: Count,
});
export type ConfigLabels = z.infer<typeof ConfigLabels>;

/** What one payload is: where its file table and sys config are, and how large it is. */
export const ImageConfig = z.object({
  resource_digest_alg: z.literal('sha256'),
  description: z.string().optional(),
  created: z.string().optional(),
  architecture: z.string(),
  os: z.string().optional(),
  'os.version': z.string().optional(),
  sys_config: descriptorOf(mediaTypes.sysConfig, mediaTypes.sysConfigOld).optional(),
  file_table: FileTableDescriptor,
  labels: ConfigLabels,
  schemaVersion: z.literal(1),
  mediaType: z.literal(mediaTypes.imageConfig),
});
export type ImageConfig = z.infer<typeof ImageConfig>;
