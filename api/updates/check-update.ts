import {readFile} from 'node:fs/promises';
import {ConfigError, type ConfigIssue} from '../../configs/config-error.ts';
import {issuesAt, type Location} from '../../configs/issues-at.ts';
import type {ResolvedConfigs} from '../../configs/load-config.ts';
import {localTree} from '../../configs/local-files.ts';
import {findNearestName} from '../../configs/nearest-name.ts';
import {readConfigText} from '../../configs/read-config-text.ts';
import {imagesOf} from '../bundle/images.ts';
import {validateBundle} from '../bundle/validate.ts';
import {keys} from '../ota/image/model/annotation-keys.ts';
import {SysConfig} from '../ota/image/model/sys-config.ts';
import {parseAnnotations} from '../ota/image/write/annotation-file.ts';
import type {SigningMaterial} from '../ota/image/write/signing-key.ts';
import {OtaError} from '../ota/ota-error.ts';
import {formatImageReference} from '../registry/reference.ts';
import {loadSigning} from './load-signing.ts';

const component = 'ota-bundler';

/** Annotations that say what is found out, or that have a field of their own. */
const notWritten: ReadonlySet<string> = new Set([
  keys.builderVersion,
  keys.createdAt,
  keys.signedAt,
  keys.blobsCount,
  keys.blobsSize,
  keys.releaseKey,
  keys.ecu,
  keys.rootfsSize,
  keys.regularFilesCount,
  keys.nonRegularFilesCount,
  keys.dirsCount,
  keys.uniqueFilesCount,
  keys.uniqueFilesSize,
]);

const writable: readonly string[] = [
  ...Object.values(keys).filter((key) => !notWritten.has(key)),
  'description',
  'created',
];

/**
 * Looks into everything that ota-bundler names, before anything is built.
 *
 * @returns what updates are signed with; undefined for updates without a signature.
 * @throws ConfigError with all that is wrong, each at its place in configs.json, or in the description of a bundle.
 */
export async function checkUpdate(resolved: ResolvedConfigs): Promise<SigningMaterial | undefined> {
  // The defaults sign nothing and name nothing.
  if (resolved.file === undefined) return undefined;
  const toIssue = issuesAt(await readConfigText(resolved.file));
  const issues: ConfigIssue[] = [];
  const report = (location: Location, message: string) => {
    issues.push(toIssue(location, message));
  };
  checkAnnotations(resolved, report);
  await checkSysConfigs(resolved, report);
  await checkImages(resolved, report);
  const signing = await loadSigning(resolved.components, resolved.file, report);
  issues.sort((a, b) => (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0));
  if (issues.length > 0) throw new ConfigError('CONFIG_INVALID', issues);
  return signing;
}

type Report = (location: Location, message: string) => void;

function checkAnnotations({components}: ResolvedConfigs, report: Report): void {
  for (const key of Object.keys(components[component].annotations)) {
    if (writable.includes(key)) continue;
    const nearest = findNearestName(key, writable);
    const message = notWritten.has(key)
      ? 'cannot be set here: it is found out, or has a field of its own'
      : `is no annotation of an OTA image${nearest === undefined ? '' : `, "${nearest}" is`}`;
    report([component, 'annotations', key], message);
  }
}

async function checkSysConfigs({components, local}: ResolvedConfigs, report: Report): Promise<void> {
  for (const [index, {sys_config: path = ''}] of components[component].ecus.entries()) {
    const source = path === '' ? undefined : localTree(local, path).entries[0]?.source;
    if (source === undefined) continue;
    const location = [component, 'ecus', index, 'sys_config'];
    try {
      const {error} = SysConfig.safeParse(parseAnnotations(await readFile(source, 'utf8'), path));
      for (const {path: inside, message} of error?.issues ?? [])
        report(location, `is no system configuration: ${inside.join('.')}: ${message}`);
    } catch (error) {
      if (!(error instanceof OtaError)) throw error;
      report(location, `cannot be read: ${error.message}`);
    }
  }
}

/** A registry may give another image under the same tag tomorrow, and the same configuration another archive. */
async function checkImages({components, local}: ResolvedConfigs, report: Report): Promise<void> {
  const {outputs, update_agent_bundle: bundle} = components[component];
  if (!outputs.includes('update_agent_bundle')) return;
  const source = localTree(local, bundle.description).entries[0]?.source ?? '';
  const {description} = await validateBundle(source);
  if (bundle.images !== 'registry') return;
  for (const image of imagesOf(description)) {
    if (image.digest !== undefined) continue;
    report(
      [component, 'update_agent_bundle', 'description'],
      `names the image ${formatImageReference(image)} without its digest, which images from a registry need (…@sha256:…)`,
    );
  }
}
