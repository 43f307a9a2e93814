/** A container as far as it can be understood; what is wrong or absent is an empty text. */
export interface LooseContainer {
  readonly spec: {
    readonly name: string;
    readonly image: string;
    readonly volumes: readonly {readonly name: string}[];
  };
  readonly requires: readonly string[] | undefined;
  readonly timeout: unknown;
}

/** The parts of a description that refer to each other, also where other parts are wrong. */
export interface LooseDescription {
  /** Whether there is no container at all, not even a wrong one. */
  readonly isEmpty: boolean;
  readonly volumes: readonly {readonly name: string}[];
  readonly containers: readonly LooseContainer[];
  readonly initContainers: readonly LooseContainer[];
}

/** Reads what it can, so that mistakes between fields are reported together with those in them. */
export function readLoosely(value: unknown): LooseDescription {
  const containers = listIn(value, 'containers');
  const initContainers = listIn(value, 'initContainers');
  const isList = (name: string) => Array.isArray(fieldOf(value, name)) || fieldOf(value, name) === undefined;
  return {
    isEmpty:
      isList('containers') && isList('initContainers') && containers.length + initContainers.length === 0,
    volumes: listIn(value, 'volumes').map((volume) => ({name: textIn(volume, 'name')})),
    containers: containers.map(toContainer),
    initContainers: initContainers.map(toContainer),
  };
}

function toContainer(value: unknown): LooseContainer {
  const spec = fieldOf(value, 'spec');
  const requires = fieldOf(value, 'requires');
  return {
    spec: {
      name: textIn(spec, 'name'),
      image: textIn(spec, 'image'),
      volumes: listIn(spec, 'volumes').map((volume) => ({name: textIn(volume, 'name')})),
    },
    requires: Array.isArray(requires)
      ? requires.map((name: unknown) => (typeof name === 'string' ? name : ''))
      : undefined,
    timeout: fieldOf(value, 'timeout'),
  };
}

function fieldOf(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined;
  return (value as Record<string, unknown>)[name];
}

function listIn(value: unknown, name: string): readonly unknown[] {
  const field = fieldOf(value, name);
  return Array.isArray(field) ? field : [];
}

function textIn(value: unknown, name: string): string {
  const field = fieldOf(value, name);
  return typeof field === 'string' ? field : '';
}
