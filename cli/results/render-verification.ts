import type {ChalkInstance} from 'chalk';
import type {Difference} from '../../api/disk/difference.ts';
import type {VerifiedArtifact, VerifyResult} from '../../api/pipeline/verify-result.ts';
import {formatCount} from '../format.ts';
import type {Symbols} from '../symbols.ts';
import {cleanLine} from '../text.ts';

interface Style {
  readonly colors: ChalkInstance;
  readonly symbols: Symbols;
}

/** What is the same and what is not; the first place of each difference with its bytes. */
export function renderVerification(result: VerifyResult, style: Style): string[] {
  const {artifacts, reference, changedInputs, volume} = result;
  const differing = artifacts.filter(({status}) => status !== 'same');
  const total =
    differing.length === 0
      ? `identical: ${formatCount(artifacts.length, 'artifact')}, the same as in ${reference}`
      : `${differing.length} of ${formatCount(artifacts.length, 'artifact')} are not the same as in ${reference}`;
  return [
    ...artifacts.flatMap((artifact) => renderArtifact(artifact, style)),
    ...changedInputs.flatMap(({step, reasons}) =>
      reasons.map((reason) => `${style.symbols.warning} ${step} was not built from the same: ${reason}`),
    ),
    ...(volume === undefined ? [] : [`the second build is in the volume ${volume}`]),
    total,
  ];
}

function renderArtifact(artifact: VerifiedArtifact, {colors, symbols}: Style): string[] {
  const name = `${artifact.step}: ${artifact.name}`;
  switch (artifact.status) {
    case 'same':
      return [colors.dim(`${symbols.done} ${name}`)];
    case 'absent':
      return [`${colors.red(symbols.failed)} ${name} was not made by the second build`];
    case 'new':
      return [`${colors.red(symbols.failed)} ${name} was made only by the second build`];
    case 'different':
      break;
    default:
      artifact.status satisfies never;
  }
  if (artifact.because !== undefined) {
    return [`${colors.red(symbols.failed)} ${name} differs, because ${artifact.because} does`];
  }
  return [
    `${colors.red(symbols.failed)} ${colors.bold(name)} differs`,
    ...(artifact.note === undefined ? digests(artifact) : [...digests(artifact), `    ${artifact.note}`]),
    ...renderDifferences(artifact, colors),
  ];
}

function digests({before = '', after = ''}: VerifiedArtifact): string[] {
  return [`    ${before} before`, `    ${after} now`];
}

/** The first one in full, the others in a line each: they often have the same cause. */
function renderDifferences({differences, more}: VerifiedArtifact, colors: ChalkInstance): string[] {
  const [first, ...others] = differences;
  if (first === undefined) return [];
  return [
    `    ${colors.bold(placeOf(first))}`,
    ...(first.probably === undefined ? [] : [`      probably ${first.probably}`]),
    ...valuesOf(first),
    ...others.map((difference) => `    ${placeOf(difference)}${causeOf(difference)}`),
    ...(more ? ['    and more'] : []),
  ];
}

/** Partition → file → offset. */
function placeOf({path, what, offset}: Difference): string {
  const where = offset === undefined ? [what] : [`${what}, offset ${offset}`];
  return [...path, ...where].map((part) => cleanLine(part)).join(' → ');
}

function causeOf({probably}: Difference): string {
  return probably === undefined ? '' : ` (${probably})`;
}

function valuesOf({before, after, hexdump}: Difference): string[] {
  const values = [`      before  ${cleanLine(before, 500)}`, `      now     ${cleanLine(after, 500)}`];
  if (hexdump === undefined) return values;
  // The sizes say something only where they differ.
  const rows = (lines: readonly string[]) => lines.map((line) => `        ${line}`);
  return [
    ...(before === after ? ['      before'] : values.slice(0, 1)),
    ...rows(hexdump.before),
    ...(before === after ? ['      now'] : values.slice(1)),
    ...rows(hexdump.after),
  ];
}
