import {posix, resolve} from 'node:path';
import {pathToFileURL} from 'node:url';
import {describeValue, fieldName} from '../../configs/field-path.ts';
import {findByteSize} from '../../configs/human-units.ts';
import type {Problem} from '../../configs/source-text.ts';
import type {YamlSource} from '../../configs/yaml-source.ts';
import {digestLength, isDigest} from '../download/checksum.ts';
import type {Checksum} from '../download/download-request.ts';
import {formatPlatform, parsePlatform, type Platform} from '../registry/image-source.ts';
import {parseImageReference, type ImageReference} from '../registry/reference.ts';
import type {
  BaseDocument,
  ChecksumDocument,
  ContentDocument,
  FileDocument,
  OciImageDocument,
} from './config-schema.ts';
import type {BaseSource, ContentBase, ContentConfig, ContentFile, ContentImage} from './content-config.ts';

/** Where the official releases of Kiwix Offspot lie. */
const defaultReleases = 'https://drive.offspot.it/base/';
const versionPattern = /^\d+\.\d+\.\d+[a-z0-9\-._]*$/;
/** What images are for unless they say otherwise. */
export const devicePlatform: Platform = {os: 'linux', architecture: 'arm64', variant: 'v8'};
const dataFolder = '/data';
/** Where write_config puts the configuration, on the data partition. */
export const configPath = '/conf/image.yaml';

interface Resolved {
  /** Undefined when something is wrong. */
  readonly config: ContentConfig | undefined;
  readonly problems: readonly Problem[];
  readonly warnings: readonly Problem[];
}

/** Makes a configuration of a document whose fields are right one by one: paths, addresses, and how fields fit together. */
export function resolveConfig(
  document: ContentDocument,
  yaml: YamlSource,
  options: {readonly folder: string; readonly releases?: string | undefined},
): Resolved {
  return new Resolver(yaml, options.folder, options.releases ?? defaultReleases).resolve(document);
}

class Resolver {
  readonly #yaml: YamlSource;
  readonly #folder: string;
  readonly #releases: string;
  readonly #problems: Problem[] = [];
  readonly #warnings: Problem[] = [];

  constructor(yaml: YamlSource, folder: string, releases: string) {
    this.#yaml = yaml;
    this.#folder = folder;
    this.#releases = releases;
  }

  resolve(document: ContentDocument): Resolved {
    const base = this.#base(document.base);
    const images = (document.oci_images ?? []).flatMap((image, index) => this.#image(image, index));
    const files = (document.files ?? []).flatMap((file, index) => this.#file(file, index));
    this.#checkTargets(images, files, document.write_config === true);
    if (document.output?.compress === true)
      this.#warn(['output', 'compress'], 'has no effect: compress the image afterwards');
    const size = document.output?.size;
    const offspot = this.#yaml.wholeValue(['offspot']) as Readonly<Record<string, unknown>> | undefined;
    return {
      config:
        this.#problems.length > 0 || base === undefined
          ? undefined
          : {
              base,
              outputBytes: size === undefined || size === 'auto' ? undefined : bytesOf(size),
              shrink: document.output?.shrink ?? false,
              images,
              files: document.write_config === true ? [...files, configFile] : files,
              offspot: offspot === undefined || Object.keys(offspot).length === 0 ? undefined : offspot,
            },
      problems: this.#problems,
      warnings: this.#warnings,
    };
  }

  #base(document: ContentDocument['base']): ContentBase | undefined {
    if (typeof document === 'string') {
      const source = this.#baseSource(document, undefined, ['base']);
      return source && {source, checksum: undefined, rootBytes: undefined};
    }
    const {source: location, pipeline, root_size: root, rootfs_size: rootfs} = document;
    if ((location === undefined) === (pipeline === undefined)) {
      this.#refuse(['base'], 'must have either source or pipeline');
      return undefined;
    }
    if (root !== undefined && rootfs !== undefined && bytesOf(root) !== bytesOf(rootfs))
      this.#refuse(['base', 'rootfs_size'], 'contradicts root_size, which is the same');
    const size = root ?? rootfs;
    const source: BaseSource | undefined =
      pipeline === undefined
        ? this.#baseSource(location ?? '', document, ['base', 'source'])
        : {kind: 'pipeline', path: resolve(this.#folder, pipeline)};
    const checksum = this.#checksum(document.checksum, ['base', 'checksum']);
    return source && {source, checksum, rootBytes: size === undefined ? undefined : bytesOf(size)};
  }

  #baseSource(
    location: string,
    base: BaseDocument | undefined,
    path: readonly PropertyKey[],
  ): BaseSource | undefined {
    if (versionPattern.test(location)) {
      const releases =
        base?.releases === undefined ? this.#releases : this.#url(base.releases, ['base', 'releases']);
      return releases === undefined
        ? undefined
        : {kind: 'release', version: location, releases: releases.replace(/\/?$/, '/')};
    }
    const url = this.#url(location, path);
    return url === undefined ? undefined : {kind: 'url', url};
  }

  #image(document: string | OciImageDocument, index: number): ContentImage[] {
    const path = ['oci_images', index];
    const image: OciImageDocument = typeof document === 'string' ? {ident: document} : document;
    const name = image.ident ?? image.id;
    if (name === undefined || (image.ident !== undefined && image.id !== undefined)) {
      this.#refuse(path, name === undefined ? 'must have ident' : 'has ident and id, which are the same');
      return [];
    }
    const reference = parseImageReference(name);
    const platform = image.platform === undefined ? devicePlatform : parsePlatform(image.platform);
    const url = image.url === undefined ? undefined : this.#url(image.url, [...path, 'url']);
    if (reference === undefined || platform === undefined) return [];
    return [
      {
        field: fieldName(path),
        name,
        reference,
        platform,
        url,
        tarBytes: image.filesize === undefined ? undefined : bytesOf(image.filesize),
        unpackedBytes: image.fullsize === undefined ? undefined : bytesOf(image.fullsize),
        to: `/images/${tarName(reference, platform)}`,
      },
    ];
  }

  #file(file: FileDocument, index: number): ContentFile[] {
    const path = ['files', index];
    const via = file.via ?? 'direct';
    const to = this.#target(file.to, isFolder(via), [...path, 'to']);
    const checksum = this.#checksum(file.checksum, [...path, 'checksum']);
    const source = this.#fileSource(file, path);
    if (to === undefined || source === undefined) return [];
    const sizeBytes = file.size === undefined ? undefined : bytesOf(file.size);
    return [{field: fieldName(path), to, via, source, checksum, sizeBytes}];
  }

  #fileSource(file: FileDocument, path: readonly PropertyKey[]): ContentFile['source'] | undefined {
    const {content, url, via = 'direct'} = file;
    if (content !== undefined) {
      if (via !== 'direct' && via !== 'base64')
        this.#refuse(
          [...path, 'via'],
          'must be direct or base64 for a content that is in the configuration',
          via,
        );
      if (file.checksum !== undefined)
        this.#refuse([...path, 'checksum'], 'is for a url: the content itself is in the configuration');
      if (via !== 'base64') return {kind: 'content', bytes: Buffer.from(content)};
      const plain = content.replaceAll(/\s/g, '');
      if (!/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(plain)) {
        this.#refuse([...path, 'content'], 'is not base64');
        return undefined;
      }
      return {kind: 'content', bytes: Buffer.from(plain, 'base64')};
    }
    if (url === undefined) {
      this.#refuse(path, 'must have either url or content');
      return undefined;
    }
    if (via === 'base64') this.#refuse([...path, 'via'], 'must not be base64 for a url: that is for content');
    const address = this.#url(url, [...path, 'url']);
    const mirrors = (file.mirrors ?? []).flatMap(
      (mirror, at) => this.#url(mirror, [...path, 'mirrors', at]) ?? [],
    );
    return address === undefined ? undefined : {kind: 'url', url: address, mirrors};
  }

  /** The path on the data partition that a path below /data means. */
  #target(to: string, mayBeRoot: boolean, path: readonly PropertyKey[]): string | undefined {
    const plain = posix.normalize(to).replace(/(?<=.)\/$/, '');
    if (plain !== dataFolder && !plain.startsWith(`${dataFolder}/`)) {
      this.#refuse(path, 'must be a path in /data', to);
      return undefined;
    }
    const inside = plain.slice(dataFolder.length) || '/';
    if (inside === '/' && !mayBeRoot) {
      this.#refuse(path, 'must name a file in /data, not /data itself', to);
      return undefined;
    }
    if (inside.includes('\0') || inside.split('/').some((name) => Buffer.byteLength(name) > 255)) {
      this.#refuse(path, 'has a name that no file can have', to);
      return undefined;
    }
    return inside;
  }

  /** An address: http(s) and file as they are, paths from the folder of the configuration. */
  #url(location: string, path: readonly PropertyKey[]): string | undefined {
    const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(location)?.[1]?.toLowerCase();
    if (scheme === undefined)
      return pathToFileURL(resolve(this.#folder, location.replace(/^~(?=\/)/, process.env['HOME'] ?? '~')))
        .href;
    const isKnown = ['http', 'https', 'file'].includes(scheme) && URL.canParse(location);
    if (isKnown && (scheme !== 'file' || ['', 'localhost'].includes(new URL(location).host))) return location;
    this.#refuse(path, 'must be an address of http, https or file, or a path', location);
    return undefined;
  }

  #checksum(document: ChecksumDocument | undefined, path: readonly PropertyKey[]): Checksum | undefined {
    if (document === undefined) return undefined;
    const {algo, kind = 'digest'} = document;
    if (kind === 'url') {
      const value = this.#url(document.value, [...path, 'value']);
      return value === undefined ? undefined : {algorithm: algo, value, kind};
    }
    const value = document.value.trim().toLowerCase();
    if (!isDigest(algo, value))
      this.#refuse(
        [...path, 'value'],
        `must be ${digestLength[algo]} hex digits for ${algo}`,
        document.value,
      );
    return {algorithm: algo, value, kind};
  }

  /** No two may get the same place, or one the place of a folder that another one needs. */
  #checkTargets(images: readonly ContentImage[], files: readonly ContentFile[], writesConfig: boolean): void {
    const taken: {to: string; name: string}[] = writesConfig ? [{to: configPath, name: 'write_config'}] : [];
    const all = [
      ...images.map(({to, field}) => ({to, field, path: pathOf(field)})),
      ...files.map(({to, field}) => ({to, field, path: [...pathOf(field), 'to']})),
    ];
    for (const {to, field, path} of all) {
      const other = taken.find((one) => one.to === to || isBelow(one.to, to) || isBelow(to, one.to));
      if (other !== undefined) {
        const how =
          other.to === to
            ? 'is the same as that of'
            : isBelow(to, other.to)
              ? 'lies in that of'
              : 'contains that of';
        this.#refuse(
          path,
          `${field.startsWith('oci') ? 'has a place that ' : ''}${how} ${other.name}`,
          `${dataFolder}${to}`,
        );
      }
      taken.push({to, name: field});
    }
  }

  #refuse(path: readonly PropertyKey[], message: string, found?: string): void {
    this.#problems.push({
      span: this.#yaml.spanOfValue(path),
      message: `${fieldName(path)} ${message}`,
      ...(found !== undefined && {found: describeValue(found)}),
    });
  }

  #warn(path: readonly PropertyKey[], message: string): void {
    this.#warnings.push({span: this.#yaml.spanOf(path), message: `${fieldName(path)} ${message}`});
  }
}

/** Names the file that write_config adds. */
export const configField = 'write_config';

/** A stand-in until the text is at hand: what is written is the file as it was read. */
const configFile: ContentFile = {
  field: configField,
  to: configPath,
  via: 'direct',
  source: {kind: 'content', bytes: Buffer.alloc(0)},
  checksum: undefined,
  sizeBytes: undefined,
};

/** Whether a transformation fills a folder. */
export function isFolder(via: ContentFile['via']): boolean {
  return ['tar', 'gztar', 'bztar', 'xztar', 'zip'].includes(via);
}

/** The name under which the device looks for an exported image: `ghcr.io_offspot_kiwix-serve_dev_linuxarm64v8.tar`. */
export function tarName({registry, repository, tag, digest}: ImageReference, platform: Platform): string {
  // As the reference writes Docker's own registry.
  const host = registry === 'docker.io' ? 'index.docker.io' : registry;
  const version = tag ?? digest ?? 'latest';
  const parts = [host, ...repository.split('/'), version, formatPlatform(platform)];
  return `${parts.map((part) => part.replaceAll(/[/:]/g, '')).join('_')}.tar`;
}

function bytesOf(size: string | number): number {
  return typeof size === 'number' ? size : (findByteSize(size) ?? Number.NaN);
}

function pathOf(field: string): PropertyKey[] {
  const [, list = '', index = ''] = /^(\w+)\[(\d+)\]$/.exec(field) ?? [];
  return [list, Number(index)];
}

function isBelow(path: string, folder: string): boolean {
  return path.startsWith(folder === '/' ? '/' : `${folder}/`);
}
