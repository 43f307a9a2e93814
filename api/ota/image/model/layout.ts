import type {Sha256Hex} from './digest.ts';

/** Where things lie in an image; relative, with `/`. */
export const layout = {
  ociLayout: 'oci-layout',
  index: 'index.json',
  jwt: 'index.jwt',
  blobs: 'blobs/sha256',
} as const;

/** The whole content of oci-layout: no newline at its end. */
export const ociLayoutText = '{"imageLayoutVersion": "1.0.0"}';

export function blobPath(hex: Sha256Hex): string {
  return `${layout.blobs}/${hex}`;
}
