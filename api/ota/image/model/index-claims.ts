import {z} from 'zod';
import {Count} from './descriptor.ts';
import {Digest} from './digest.ts';
import {mediaTypes} from './media-types.ts';

/** The header of index.jwt, in the order in which it is written. */
export const IndexJwtHeader = z.object({
  alg: z.literal('ES256'),
  typ: z.literal('JWT').optional(),
  /** Base64 (not base64url) DER: the signing certificate, then intermediates. Never the root. */
  x5c: z.array(z.string()).min(1),
});
export type IndexJwtHeader = z.infer<typeof IndexJwtHeader>;

/** The payload of index.jwt, in the order in which it is written: index.json as it is when signed. */
export const IndexClaims = z.object({
  iat: z.number().optional(),
  image_index: z.object({
    size: Count,
    digest: Digest,
    mediaType: z.literal(mediaTypes.imageIndex).optional(),
  }),
});
export type IndexClaims = z.infer<typeof IndexClaims>;
