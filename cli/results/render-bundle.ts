import type {BundleReport} from '../../api/bundle/verify.ts';
import {formatBytes, formatCount} from '../format.ts';
import {cleanLine, columns} from '../text.ts';

/** The content of a bundle for people. */
export function renderBundle({
  description,
  layout,
  members,
  signatures,
  problems,
  warnings,
}: BundleReport): string[] {
  const lines: string[] = [];
  if (description !== undefined) {
    const {id, version, type, name, kukaLinuxVersion, containers = [], initContainers = []} = description;
    lines.push(
      ...columns([
        ['bundle', `${id} ${version} (${type})`],
        ['name', cleanLine(name)],
        ['for', `KUKA Linux ${cleanLine(kukaLinuxVersion)}`],
        ['layout', layout ?? ''],
        ...initContainers.map(({spec, timeout = '10m'}) => [
          'init',
          `${spec.name}  ${spec.image}  (at most ${timeout})`,
        ]),
        ...containers.map(({spec}) => ['container', `${spec.name}  ${spec.image}`]),
      ]),
      '',
    );
  }
  const signed = new Set(signatures.filter(({status}) => status !== 'missing').map(({name}) => name));
  lines.push(
    ...columns(
      members.map(({name, sizeBytes}) => [
        formatBytes(sizeBytes),
        cleanLine(name),
        signed.has(name) ? 'signed, not checked' : '',
      ]),
      [0],
    ),
    '',
    formatCount(members.length, 'file'),
  );
  for (const problem of problems) lines.push(`problem: ${problem}`);
  for (const warning of warnings) lines.push(`warning: ${warning}`);
  return lines;
}
