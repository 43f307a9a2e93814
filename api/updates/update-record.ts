import {z} from 'zod';

const Named = z.object({name: z.string(), sha256: z.string()});

/** How an image and an update of it belong together: part of build.json, in its spelling. */
export const UpdateRecord = z.object({
  /** The image of the card. */
  image: Named,
  /** The OTA image. */
  artifact: Named.extend({size_bytes: z.number()}),
  ecu_ids: z.array(z.string()).readonly(),
  release_key: z.enum(['dev', 'prd']),
  blobs: z.object({count: z.number(), bytes: z.number()}),
  /** `key_id`: SHA-256 of the public key (SubjectPublicKeyInfo, DER). */
  signed: z.union([z.literal(false), z.object({key_id: z.string(), certificate: z.string()})]),
});

export type UpdateRecord = z.infer<typeof UpdateRecord>;
