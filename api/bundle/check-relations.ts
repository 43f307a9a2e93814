import {findNearestName} from '../../configs/nearest-name.ts';
import {quote, type Problem} from '../../configs/source-text.ts';
import {parseImageReference} from '../registry/reference.ts';
import {fieldName} from '../../configs/field-path.ts';
import type {LooseDescription} from './loose-description.ts';
import type {YamlSource} from '../../configs/yaml-source.ts';

/** What is wrong between fields, and what is allowed but hardly meant. */
export interface Relations {
  readonly problems: readonly Problem[];
  readonly warnings: readonly Problem[];
}

type Path = readonly (string | number)[];

/** Checks the fields of a description against each other; those that are wrong by themselves count as absent. */
export function checkRelations(yaml: YamlSource, description: LooseDescription): Relations {
  const problems: Problem[] = [];
  const warnings: Problem[] = [];
  const containers = containersOf(description);
  const report = (into: Problem[], path: Path, message: string, suggestion?: string) =>
    into.push({
      span: yaml.spanOfValue(path),
      message: `${fieldName(path)} ${message}`,
      ...(suggestion !== undefined && {suggestion}),
    });

  if (description.isEmpty) {
    const message = 'the bundle has neither containers nor initContainers: it would do nothing';
    problems.push({span: yaml.spanOf([]), message});
  }
  checkUnique(
    containers.map(({path, spec}) => [[...path, 'spec', 'name'], spec.name]),
    (path, message) => report(problems, path, message),
  );
  const {volumes} = description;
  checkUnique(
    volumes.map(({name}, index) => [['volumes', index, 'name'], name]),
    (path, message) => report(problems, path, message),
  );
  const declared = volumes.map(({name}) => name);
  for (const {path, spec, isInit, timeout, requires} of containers) {
    for (const [index, volume] of spec.volumes.entries()) {
      if (volume.name === '' || declared.includes(volume.name)) continue;
      const field = [...path, 'spec', 'volumes', index, 'name'];
      const suggestion = findNearestName(volume.name, declared);
      report(problems, field, `is not declared in volumes at the root: ${quote(volume.name)}`, suggestion);
    }
    const image = parseImageReference(spec.image);
    const imageField = [...path, 'spec', 'image'];
    if (image !== undefined && image.digest === undefined && (image.tag ?? 'latest') === 'latest') {
      const what = image.tag === undefined ? 'has no tag' : 'has the tag latest';
      report(warnings, imageField, `${what}: which image that is can change; add a version or a digest`);
    }
    if (isInit && timeout === undefined) {
      const message = 'has no timeout: the installation waits for it for at most 10m';
      warnings.push({span: yaml.spanOf(path), message: `${fieldName(path)} ${message}`});
    }
    if (isInit && requires !== undefined) {
      const message = 'has no effect: init containers run one after the other';
      warnings.push({
        span: yaml.spanOf([...path, 'requires']),
        message: `${fieldName(path)}.requires ${message}`,
      });
    }
  }
  checkRequires(description, (path, message, suggestion) => report(problems, path, message, suggestion));
  return {problems, warnings};
}

function containersOf({containers, initContainers}: LooseDescription) {
  return [
    ...containers.map((container, index) => ({
      ...container,
      path: ['containers', index] as Path,
      isInit: false,
    })),
    ...initContainers.map((container, index) => ({
      ...container,
      path: ['initContainers', index] as Path,
      isInit: true,
    })),
  ];
}

function checkUnique(
  names: readonly (readonly [Path, string])[],
  report: (path: Path, message: string) => void,
): void {
  const seen = new Map<string, Path>();
  for (const [path, name] of names) {
    const first = seen.get(name);
    if (name === '') continue;
    if (first === undefined) seen.set(name, path);
    else report(path, `is already the name of ${fieldName(first.slice(0, 2))}: ${quote(name)}`);
  }
}

function checkRequires(
  {containers, initContainers}: LooseDescription,
  report: (path: Path, message: string, suggestion?: string) => void,
): void {
  const names = containers.map(({spec}) => spec.name);
  const initNames = initContainers.map(({spec}) => spec.name);
  const edges = new Map<string, readonly string[]>();
  for (const [index, {spec, requires = []}] of containers.entries()) {
    edges.set(spec.name, [...(edges.get(spec.name) ?? []), ...requires]);
    for (const [position, name] of requires.entries()) {
      const path: Path = ['containers', index, 'requires', position];
      if (name === '') continue;
      if (name === spec.name) {
        report(path, `makes the container wait for itself: ${name} → ${name}`);
      } else if (initNames.includes(name)) {
        report(path, `names an init container, which has ended by then: ${quote(name)}`);
      } else if (!names.includes(name)) {
        report(path, `names no container of this bundle: ${quote(name)}`, findNearestName(name, names));
      }
    }
  }
  const reported = new Set<string>();
  for (const [index, name] of names.entries()) {
    const cycle = findCycle(name, edges);
    if (cycle === undefined || cycle.some((member) => reported.has(member))) continue;
    for (const member of cycle) reported.add(member);
    const position = (containers[index]?.requires ?? []).indexOf(cycle[1] ?? '');
    const path: Path = ['containers', index, 'requires', Math.max(0, position)];
    report(path, `closes a cycle, in which no container can start: ${[...cycle, name].join(' → ')}`);
  }
}

/** The shortest way from a container back to itself over others. */
function findCycle(
  start: string,
  edges: ReadonlyMap<string, readonly string[]>,
): readonly string[] | undefined {
  const queue: (readonly string[])[] = [[start]];
  const seen = new Set<string>();
  for (let path = queue.shift(); path !== undefined; path = queue.shift()) {
    for (const next of edges.get(path.at(-1) ?? '') ?? []) {
      if (next === start && path.length > 1) return path;
      if (seen.has(next) || next === start) continue;
      seen.add(next);
      queue.push([...path, next]);
    }
  }
  return undefined;
}
