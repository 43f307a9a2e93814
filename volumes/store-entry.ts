import {z} from 'zod';

/** Version of the layout below `.hypriotkit/`. Entries of another version are not seen. */
export const storeFormat = 1;

const Sha256 = z.string().regex(/^[0-9a-f]{64}$/);

export const StoredFile = z.object({
  name: z.string().regex(/^[^/]+$/),
  sizeBytes: z.number().int().nonnegative(),
  sha256: Sha256,
});

/** A file of an entry. */
export type StoredFile = z.infer<typeof StoredFile>;

/** What the store knows of one finished step: `index/<fingerprint>.json`. Written last, so that it proves completeness. */
export const StoreEntry = z.object({
  format: z.literal(storeFormat),
  step: z.string(),
  fingerprint: Sha256,
  /** What the fingerprint was computed from; lets a later run say which input changed. Secrets are digests. */
  inputs: z.unknown(),
  /** ISO 8601, UTC. */
  createdAt: z.string(),
  durationMs: z.number(),
  /** The registry that it was taken from; absent where it was made here. */
  origin: z.string().optional(),
  /** Sorted by name. */
  files: z.array(StoredFile),
});

export type StoreEntry = z.infer<typeof StoreEntry>;
