import {keys} from '../model/annotation-keys.ts';
import {ImageConfig} from '../model/image-config.ts';
import {ImageManifest} from '../model/image-manifest.ts';
import {writeDocument} from '../model/json-document.ts';
import {mediaTypes} from '../model/media-types.ts';
import type {FileTableCounts} from './file-table-content.ts';
import type {PayloadDescription} from './payload-annotations.ts';

/** The config of a payload. `created`: Unix seconds, where the annotations tell nothing. */
export function writeConfig(
  {architecture, baseImage, config, texts}: PayloadDescription,
  counts: FileTableCounts,
  created: number | undefined,
  descriptors: Pick<ImageConfig, 'file_table' | 'sys_config'>,
): Buffer {
  return writeDocument(ImageConfig, {
    resource_digest_alg: 'sha256',
    description: config.description,
    created: config.created ?? timeText(created),
    architecture,
    os: texts[keys.os],
    'os.version': texts[keys.osVersion],
    ...descriptors,
    labels: {
      [keys.baseImage]: baseImage,
      [keys.os]: texts[keys.os],
      [keys.osVersion]: texts[keys.osVersion],
      [keys.jetsonBspVersion]: texts[keys.jetsonBspVersion],
      [keys.blobsCount]: counts.blobs,
      [keys.blobsSize]: counts.blobsBytes,
      [keys.rootfsSize]: counts.rootfsBytes,
      [keys.regularFilesCount]: counts.regularFiles,
      [keys.nonRegularFilesCount]: counts.nonRegularFiles,
      [keys.dirsCount]: counts.folders,
      [keys.uniqueFilesCount]: counts.uniqueFiles,
      [keys.uniqueFilesSize]: counts.uniqueFilesBytes,
    },
    schemaVersion: 1,
    mediaType: mediaTypes.imageConfig,
  });
}

/** The manifest of a payload for one ECU. */
export function writeManifest(
  {releaseKey, architecture, texts}: PayloadDescription,
  ecuId: string,
  config: ImageManifest['config'],
  fileTable: ImageManifest['layers'][0],
): Buffer {
  return writeDocument(ImageManifest, {
    config,
    layers: [fileTable],
    annotations: {
      [keys.ecu]: ecuId,
      [keys.releaseKey]: releaseKey,
      [keys.jetsonBspVersion]: texts[keys.jetsonBspVersion],
      [keys.platform]: texts[keys.platform],
      [keys.ecuHardwareModel]: texts[keys.ecuHardwareModel],
      [keys.ecuHardwareSeries]: texts[keys.ecuHardwareSeries],
      [keys.ecuArchitecture]: architecture,
    },
    schemaVersion: 2,
    mediaType: mediaTypes.imageManifest,
  });
}

/** As the reference writes it: ISO 8601 without a zone. Ours is always in UTC. */
function timeText(seconds: number | undefined): string {
  return new Date(seconds === undefined ? Date.now() : seconds * 1000).toISOString().slice(0, 19);
}
