import {verify as verifySignature, type KeyObject} from 'node:crypto';
import {basename, resolve} from 'node:path';
import {ConfigError, formatConfigIssue, type ConfigIssue} from '../../configs/config-error.ts';
import {SourceText} from '../../configs/source-text.ts';
import type {Description} from './description-schema.ts';
import {checkName, parseBundleName} from './names.ts';
import {readBundle, type BundleMember} from './read-bundle.ts';
import {validateDescription} from './validate.ts';

/** One signed file of a bundle. */
export interface SignedMember {
  readonly name: string;
  readonly status: 'valid' | 'wrong' | 'missing' | 'unchecked';
}

/** What a bundle holds and what is wrong with it. */
export interface BundleReport {
  /** Absolute. */
  readonly file: string;
  readonly layout: 'flat' | 'folder' | undefined;
  /** Sorted by name. */
  readonly members: readonly {readonly name: string; readonly sizeBytes: number}[];
  readonly description: Description | undefined;
  readonly signatures: readonly SignedMember[];
  /** Empty for a bundle that an update agent takes. */
  readonly problems: readonly string[];
  readonly warnings: readonly string[];
}

/**
 * Checks a bundle: its name, its archive, its description, and that the description and every JSON Schema are signed.
 *
 * @param key Without it signatures must be there, but are not checked.
 * @throws PipelineError `INPUT_UNREADABLE`, or `BUNDLE_INVALID` for a file that is no bundle at all.
 */
export async function inspectBundle(file: string, key?: KeyObject): Promise<BundleReport> {
  const {members, problems: archiveProblems} = await readBundle(file);
  const problems = [...archiveProblems];
  const warnings: string[] = [];
  const identity = parseBundleName(basename(file));
  if (identity === undefined) {
    for (const remark of checkName(basename(file)).remarks) problems.push(`its file name ${remark}`);
  }
  const {description, layout, name} = readDescription(members, file, problems, warnings);
  if (description !== undefined && identity !== undefined) {
    for (const part of ['id', 'version'] as const) {
      if (description[part] === identity[part]) continue;
      problems.push(`its file name has the ${part} ${identity[part]}, its description ${description[part]}`);
    }
  }
  const signatures = checkSignatures(members, name, key);
  for (const {name: signed, status} of signatures) {
    if (status === 'missing') problems.push(`${signed} is not signed: there is no ${signed}.sign`);
    if (status === 'wrong')
      problems.push(`the signature of ${signed} is not from this key, or the file was changed`);
  }
  checkRest(members, layout, problems, warnings);
  const sorted = members
    .map((member) => ({name: member.name, sizeBytes: member.content.length}))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
  return {file: resolve(file), layout, members: sorted, description, signatures, problems, warnings};
}

function readDescription(
  members: readonly BundleMember[],
  file: string,
  problems: string[],
  warnings: string[],
): {description?: Description; layout: 'flat' | 'folder' | undefined; name?: string} {
  const found = members.filter(({name}) => /^(?:[^/]+\/)?[^/]+\.ya?ml$/.test(name));
  const [only] = found;
  if (only === undefined || found.length > 1) {
    const names = found.map(({name}) => name).join(', ');
    problems.push(
      only === undefined ? 'it holds no description (.yaml)' : `it holds more than one description: ${names}`,
    );
    return {layout: undefined};
  }
  const layout = only.name.includes('/') ? 'folder' : 'flat';
  try {
    const text = new TextDecoder('utf-8', {fatal: true}).decode(only.content);
    const source = new SourceText(resolve(file, only.name), text);
    const {description, warnings: issues} = validateDescription(source);
    warnings.push(...issues.map((issue) => formatIn(issue, file)));
    return {description, layout, name: only.name};
  } catch (error) {
    if (error instanceof ConfigError) problems.push(...error.issues.map((issue) => formatIn(issue, file)));
    else if (error instanceof TypeError) problems.push(`${only.name} is not UTF-8`);
    else throw error;
    return {layout, name: only.name};
  }
}

/** Positions in a file of the bundle: `gripper_1.0.0.yaml:3:5 …`. */
function formatIn(issue: ConfigIssue, bundle: string): string {
  return formatConfigIssue(issue, resolve(bundle));
}

function checkSignatures(
  members: readonly BundleMember[],
  description: string | undefined,
  key: KeyObject | undefined,
): readonly SignedMember[] {
  const byName = new Map(members.map((member) => [member.name, member.content]));
  return members
    .filter(({name}) => name === description || name.endsWith('.json'))
    .map(({name, content}): SignedMember => {
      const signature = byName.get(`${name}.sign`);
      if (signature === undefined) return {name, status: 'missing'};
      if (key === undefined) return {name, status: 'unchecked'};
      return {name, status: verifySignature('sha256', content, key, signature) ? 'valid' : 'wrong'};
    })
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

function checkRest(
  members: readonly BundleMember[],
  layout: 'flat' | 'folder' | undefined,
  problems: string[],
  warnings: string[],
): void {
  const names = members.map(({name}) => name);
  for (const name of names) {
    if (name.endsWith('.sign') && !names.includes(name.slice(0, -'.sign'.length))) {
      warnings.push(`${name} is a signature of a file that is not there`);
    }
  }
  if (layout === 'folder') {
    // The naming rules spell the folder in both ways.
    if (!names.some((name) => /^[^/]+\/licen[sc]es\/.+\.txt$/i.test(name))) {
      problems.push('the folder licenses/ with at least one .txt is missing');
    }
  } else if (layout === 'flat' && !names.some((name) => /\.txt$/i.test(name))) {
    warnings.push('it has no EULA or licence (.txt)');
  }
}
