import {hexOf, type Sha256Hex} from '../model/digest.ts';
import {ImageConfig} from '../model/image-config.ts';
import {entryKind, type ImageIndex} from '../model/image-index.ts';
import {ImageManifest} from '../model/image-manifest.ts';
import {OtaclientManifest} from '../model/otaclient-package.ts';
import type {ImageFolder} from './image-folder.ts';

/** The blobs that must stay what they are, because documents point to them. */
export async function protectedBlobs(image: ImageFolder, index: ImageIndex): Promise<ReadonlySet<Sha256Hex>> {
  const found = new Set<Sha256Hex>();
  for (const descriptor of index.manifests) {
    found.add(hexOf(descriptor.digest));
    const kind = entryKind(descriptor);
    if (kind === 'payload') {
      const {config, layers} = await image.readDocument(ImageManifest, descriptor, 'The image manifest');
      const {file_table: table, sys_config: sysConfig} = await image.readDocument(
        ImageConfig,
        config,
        'The image config',
      );
      for (const one of [config, ...layers, table, sysConfig]) if (one) found.add(hexOf(one.digest));
    } else if (kind === 'otaclient-package') {
      const {config, layers} = await image.readDocument(
        OtaclientManifest,
        descriptor,
        'The manifest of the otaclient package',
      );
      for (const one of [config, ...layers]) found.add(hexOf(one.digest));
    }
  }
  return found;
}
