import {z} from 'zod';
import {Digest} from './digest.ts';

/** A count of bytes or of things. */
export const Count = z.int().nonnegative();

/** Annotations of a descriptor whose keys depend on what it describes; kept in their order. */
export const Annotations = z.record(z.string(), z.json());
export type Annotations = z.infer<typeof Annotations>;

/** Points to a blob. Size and digest are those of the stored (compressed) bytes. */
export const Descriptor = z.object({
  size: Count,
  digest: Digest,
  annotations: Annotations.optional(),
  mediaType: z.string(),
  artifactType: z.string().optional(),
});
export type Descriptor = z.infer<typeof Descriptor>;

/** A descriptor that must have one of some media types. */
export const descriptorOf = (...types: readonly [string, ...string[]]) =>
  Descriptor.extend({mediaType: z.enum(types)});
