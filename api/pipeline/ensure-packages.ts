import {parsePackageList, renderPackageList, type LockedPackage} from '../../configs/lock-file.ts';
import type {StoreEntry} from '../../volumes/store-entry.ts';
import {packageList, type Step} from '../components/step.ts';
import {label} from '../docker/labels.ts';
import {interrupted, type StepFailure} from '../events/step-failure.ts';
import {classifyExit} from './classify-failure.ts';
import {FingerprintInputs} from './fingerprint.ts';
import type {RunContext} from './run-context.ts';

export const fetchMemoryBytes = 512 * 1024 ** 2;

/** What downloads the packages of `wanted.tsv` in its folder. Part of the base image. */
export const fetchCommand: readonly string[] = ['/usr/lib/hypriotkit/fetch-packages.sh'];

export function fetchEnvironment({main, more}: Mirrors): Readonly<Record<string, string>> {
  return {LC_ALL: 'C.UTF-8', MIRROR: main, EXTRA_MIRRORS: more.join(' ')};
}

/** What a step that needs packages says while it gets them. */
export interface PackageReport {
  readonly progress: (message: string) => void;
  readonly output: (stream: 'stdout' | 'stderr', line: string) => void;
  /** The last lines of output, for a failure. */
  readonly tail: readonly string[];
}

/**
 * Makes sure that the package cache has every package of a list, each with the right content: what is missing or
 * damaged is downloaded, unless the run is offline.
 *
 * @param resolved The entry with the list.
 * @returns why that is not possible, naming the packages.
 */
export async function ensurePackages(
  step: Step,
  resolved: StoreEntry,
  context: RunContext,
  report: PackageReport,
): Promise<StepFailure | undefined> {
  const wanted = parsePackageList(await context.store.readText(resolved, packageList));
  return ensure(step, wanted, mirrorsOf(resolved), context, report);
}

/**
 * Gets what can be had of a list that a step is to stay close to.
 *
 * @returns the list without the packages that neither the cache nor the mirror has any more.
 */
export async function collectPackages(
  step: Step,
  list: string,
  context: RunContext,
  report: PackageReport,
): Promise<string> {
  const wanted = parsePackageList(list);
  const failure = await ensure(step, wanted, mirrorsOfStep(step), context, report);
  if (failure === undefined) return list;
  const {missing} = await context.packages.check(wanted);
  const gone = wanted.filter(({sha256}) => missing.includes(sha256)).map(({name}) => name);
  context.emit({
    type: 'notice',
    level: 'warning',
    message: `${step.component}: the locked versions of ${gone.join(', ')} cannot be had any more; others are taken`,
  });
  return renderPackageList(wanted.filter(({sha256}) => !missing.includes(sha256)));
}

async function ensure(
  step: Step,
  wanted: readonly LockedPackage[],
  mirrors: Mirrors,
  context: RunContext,
  report: PackageReport,
): Promise<StepFailure | undefined> {
  const {packages: cache, emit} = context;
  const {missing, damaged} = await cache.check(wanted);
  if (damaged.length > 0) {
    const names = wanted.filter(({sha256}) => damaged.includes(sha256)).map(({name}) => name);
    emit({
      type: 'notice',
      level: 'warning',
      message: `${names.join(', ')} in the package volume ${cache.label} is damaged and has been removed`,
      hint: 'If this happens again, check the disk of the engine.',
    });
  }
  const needed = wanted.filter(({sha256}) => missing.includes(sha256));
  if (needed.length === 0) return undefined;
  if (context.offline) return missingOffline(step, needed, cache.label);
  report.progress(`downloading ${needed.length} of ${wanted.length} packages`);
  return download(step, needed, mirrors, context, report);
}

async function download(
  step: Step,
  needed: readonly LockedPackage[],
  mirrors: Mirrors,
  context: RunContext,
  report: PackageReport,
): Promise<StepFailure | undefined> {
  const {session, packages: cache, baseImage, signal} = context;
  const incoming = await cache.openIncoming(`${session.runId}.${step.name}`);
  let view: string | undefined;
  try {
    await cache.writeIncoming(incoming, 'wanted.tsv', renderPackageList(needed));
    view = await session.createPackageView(incoming);
    const container = session.own(
      await session.containers.create({
        image: baseImage.reference,
        command: fetchCommand,
        environment: fetchEnvironment(mirrors),
        workingDirectory: '/workspace',
        mounts: [{volume: view, target: '/workspace', readOnly: false}],
        network: 'bridge',
        labels: {...session.labels('fetch'), [label.step]: step.name},
        memoryBytes: fetchMemoryBytes,
      }),
    );
    try {
      const exit = await container.run(report.output, signal);
      // What has been downloaded is kept in any case, so that the next run need not do it again.
      await cache.admit(incoming, needed);
      if (signal.aborted) return interrupted(step.name);
      return exit.status === 0 ? undefined : classifyExit(step.name, exit, fetchMemoryBytes, report.tail);
    } finally {
      await container.remove();
    }
  } finally {
    await cache.discardIncoming(incoming).catch(() => undefined);
    if (view !== undefined) await session.removeView(view);
  }
}

/** Where packages are looked for, in this order; each counts only if it has the digest that the list says. */
export interface Mirrors {
  /** Empty: that of the base image. */
  readonly main: string;
  readonly more: readonly string[];
}

/** The mirrors that the list was resolved with. */
export function mirrorsOf(resolved: StoreEntry): Mirrors {
  const inputs = FingerprintInputs.safeParse(resolved.inputs);
  return mirrors((name) => (inputs.success ? inputs.data.settings[name]?.value : undefined));
}

/** The mirrors that a step that resolves would ask. */
export function mirrorsOfStep({settings}: Step): Mirrors {
  const values = new Map(settings.map(({variable, value}) => [variable, value]));
  return mirrors((name) => values.get(name));
}

/** A line of APT_SOURCES has the address as its second field. */
function mirrors(setting: (variable: string) => string | undefined): Mirrors {
  const lines = (setting('APT_SOURCES') ?? '').split('\n');
  const more = lines.flatMap((line) => line.split('\t')[1] ?? []);
  return {main: setting('MIRROR') ?? '', more: [...new Set(more)]};
}

function missingOffline(step: Step, needed: readonly LockedPackage[], volume: string): StepFailure {
  const names = needed.map(({name, version, architecture}) => `${name} ${version} (${architecture})`);
  const shown = names.slice(0, 5).join(', ') + (names.length > 5 ? ` and ${names.length - 5} more` : '');
  return {
    reason: 'packages-missing',
    step: step.name,
    message: `the package volume ${volume} does not have ${shown}, and --offline forbids to download it`,
    hint: 'Build once with --locked and a network; the packages are kept from then on.',
    packages: names,
  };
}
