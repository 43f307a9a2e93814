import {readContent} from '../../rootfs/file-content.ts';
import type {Rootfs} from '../../rootfs/rootfs.ts';
import {OtaError} from '../../ota-error.ts';
import {keys} from '../model/annotation-keys.ts';
import {ReleaseKey} from '../model/image-index.ts';
import {textAnnotations, type AnnotationMap} from './annotation-file.ts';
import {withFile} from './blob-tasks.ts';

/** What the annotations of `add-image` come to. */
export interface PayloadDescription {
  readonly releaseKey: ReleaseKey;
  readonly architecture: string;
  readonly baseImage: string;
  /** Members of the image config. */
  readonly config: {readonly description?: string; readonly created?: string};
  /** Annotations of the manifest and labels of the config, by key. */
  readonly texts: Readonly<Record<string, string>>;
}

const textKeys = [
  keys.baseImage,
  keys.os,
  keys.osVersion,
  keys.jetsonBspVersion,
  keys.platform,
  keys.ecuHardwareModel,
  keys.ecuHardwareSeries,
  keys.ecuArchitecture,
  keys.releaseKey,
  'description',
  'created',
];

/** @throws {OtaError} INPUT_INVALID */
export function describePayload(
  annotations: AnnotationMap,
  releaseKey: ReleaseKey | undefined,
  rootfs: Rootfs,
): PayloadDescription {
  const what = 'The annotations';
  const texts = textAnnotations(annotations, textKeys, what);
  const key = ReleaseKey.safeParse(releaseKey ?? texts[keys.releaseKey]);
  if (!key.success) {
    const given = releaseKey ?? texts[keys.releaseKey] ?? 'None';
    throw new OtaError(
      'INPUT_INVALID',
      `Invalid release key ${given} in annotations, should be one of 'dev' or 'prd'.`,
    );
  }
  const bsp = texts[keys.jetsonBspVersion] ?? jetsonBspVersion(rootfs);
  return {
    releaseKey: key.data,
    architecture: required(texts, keys.ecuArchitecture),
    baseImage: required(texts, keys.baseImage),
    config: {
      ...(texts['description'] !== undefined && {description: texts['description']}),
      ...(texts['created'] !== undefined && {created: texts['created']}),
    },
    texts: {...texts, ...(bsp !== undefined && {[keys.jetsonBspVersion]: bsp})},
  };
}

function required(texts: Readonly<Record<string, string>>, key: string): string {
  const text = texts[key];
  if (text === undefined)
    throw new OtaError('INPUT_INVALID', `The annotations lack ${key}`, {
      hint: `Add it to the annotations file, as ${key}: …`,
    });
  return text;
}

/** NVIDIA's board support package writes `# R35 (release), REVISION: 4.1, GCID: …, BOARD: …, EABI: …`. */
function jetsonBspVersion({entries}: Rootfs): string | undefined {
  const content = entries.find(({path}) => path === '/etc/nv_tegra_release')?.content;
  if (!content || content.sizeBytes > 65_536) return undefined;
  const text = withFile(content, (file) => readContent(content, file, 0, content.sizeBytes)).toString('utf8');
  const match = /# R(\d+) \(.*?\), REVISION: (\d+)\.(\d+), GCID: .*, BOARD: .*, EABI: /.exec(text);
  return match ? `R${match[1] ?? ''}.${match[2] ?? ''}.${match[3] ?? ''}` : undefined;
}
