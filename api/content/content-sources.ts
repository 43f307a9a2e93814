import {formatImageReference} from '../registry/reference.ts';
import type {DownloadRequest} from '../download/download-request.ts';
import {formatPlatform} from '../registry/image-source.ts';
import type {ContentConfig, ContentImage} from './content-config.ts';
import {devicePlatform} from './resolve-config.ts';
import type {PinnedSource} from './source-list.ts';

/** Something of a configuration that comes from a server. */
export type ContentSource =
  | {readonly kind: 'file'; readonly name: string; readonly request: DownloadRequest}
  | {readonly kind: 'image'; readonly name: string; readonly image: ContentImage};

/** Everything of a configuration that comes from a server, each once, in the order of the configuration. */
export function remoteSources({images, files}: ContentConfig): readonly ContentSource[] {
  const all = [
    ...images.map((image): ContentSource =>
      image.url === undefined
        ? {kind: 'image', name: nameOfImage(image), image}
        : {kind: 'file', name: nameOfUrl(image.url), request: {id: image.field, url: image.url}},
    ),
    ...files.flatMap(({field, source, checksum}): ContentSource[] =>
      source.kind === 'content'
        ? []
        : [
            {
              kind: 'file',
              name: nameOfUrl(source.url),
              request: {id: field, url: source.url, mirrors: source.mirrors, checksum},
            },
          ],
    ),
  ];
  const remote = all.filter((one) => one.kind === 'image' || !one.request.url.startsWith('file:'));
  return [...new Map(remote.toReversed().map((one) => [one.name, one])).values()].reverse();
}

/** The same configuration, in which everything from a server has to be what it was found to be. */
export function pinConfig(config: ContentConfig, pins: readonly PinnedSource[]): ContentConfig {
  const known = new Map(pins.map((pin) => [pin.name, pin]));
  const pinOf = (name: string) => {
    const pin = known.get(name);
    if (pin === undefined) throw new Error(`${name} was not looked up`);
    return pin;
  };
  return {
    ...config,
    images: config.images.map((image) => {
      const {url, reference} = image;
      if (url !== undefined) return image;
      const {tag, digest} = reference;
      const pinned = {
        ...reference,
        digest: `sha256:${pinOf(nameOfImage(image)).sha256}`,
        // The device looks for the name as it was written, not for the digest.
        ...(tag === undefined && digest === undefined && {tag: 'latest'}),
      };
      return {...image, reference: pinned};
    }),
    files: config.files.map((file) => {
      const {source} = file;
      if (source.kind === 'content' || source.url.startsWith('file:')) return file;
      const {sha256} = pinOf(nameOfUrl(source.url));
      return {...file, checksum: {algorithm: 'sha-256', value: sha256, kind: 'digest'}};
    }),
  };
}

/** Without user and password, which belong to who asks. */
function nameOfUrl(text: string): string {
  const url = new URL(text);
  url.username = '';
  url.password = '';
  return url.href;
}

function nameOfImage({reference, platform}: ContentImage): string {
  const {tag, digest} = reference;
  const name = formatImageReference(
    (tag ?? digest) === undefined ? {...reference, tag: 'latest'} : reference,
  );
  const own = formatPlatform(platform);
  return own === formatPlatform(devicePlatform) ? name : `${name} ${own}`;
}
