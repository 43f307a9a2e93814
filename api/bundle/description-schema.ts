import {isIP} from 'node:net';
import {z} from 'zod';
import {parseImageReference} from '../registry/reference.ts';
import {findSeconds} from './duration.ts';
import {idPattern, versionPattern} from './names.ts';
import {isVersionRange} from './version-range.ts';

// Messages are the rest of a sentence that starts with the field's name.

/** A text; numbers and the like are refused with a hint, because YAML takes 1.0 for one. */
const text = () => z.string('must be a text: put it in quotes');
const checked = (isRight: (value: string) => boolean, expected: string) =>
  text()
    .min(1)
    .refine((value) => value === '' || isRight(value), `must be ${expected}`);
const list = <T extends z.ZodType>(item: T) => z.array(item, 'must be a list');
const one = <T extends Record<string, z.ZodType>>(fields: T) =>
  z.strictObject(fields, 'must be a map of fields');

const isAbsolute = (path: string) => path.startsWith('/') && !path.includes('\0');
const isPlainAbsolute = (path: string) => isAbsolute(path) && !path.split('/').includes('..');

const containerName = () =>
  checked((name) => /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/.test(name), 'a name of letters, digits, "_", "." and "-"');
const volumeName = () => text().min(1);
const absolutePath = () => checked(isAbsolute, 'an absolute path');
const capability = () =>
  checked((name) => /^(?:CAP_)?[A-Z][A-Z0-9_]+$|^all$/i.test(name), 'a capability such as SYS_NICE');

const SpecVolume = one({
  name: volumeName().describe('A volume that is declared at the root of the file.'),
  dest: absolutePath().describe('Where the container sees it.'),
  readOnly: z.boolean('must be true or false').optional().describe('Whether the container may only read it.'),
});

const Spec = one({
  name: containerName().describe('Name of the container, unique in the bundle.'),
  image: checked(
    (reference) => parseImageReference(reference) !== undefined,
    'an image reference such as registry.example/app:1.2.0',
  ).describe('Image, with a tag or a digest.'),
  volumes: list(SpecVolume).optional().describe('Volumes that the container uses.'),
  user: text().min(1).optional().describe('User (and group) that it runs as: podman create --user.'),
  env: z
    .record(
      z.string(),
      z.union([z.string(), z.number(), z.boolean()], 'must be a text, a number, true or false'),
      'must be a map from names to values',
    )
    .optional()
    .describe('Environment variables: --env.'),
  devices: list(checked((device) => device.startsWith('/'), 'the path of a device'))
    .optional()
    .describe('Devices of the host: --device.'),
  capAdd: list(capability())
    .optional()
    .describe('Capabilities that it gets besides the default ones: --cap-add.'),
  capDrop: list(capability()).optional().describe('Capabilities that it loses: --cap-drop.'),
  network: text().min(1).optional().describe('Network mode: --network.'),
  dns: list(checked((address) => isIP(address) !== 0, 'an IP address'))
    .optional()
    .describe('Name servers: --dns.'),
  cmd: list(text()).optional().describe('Command and its arguments, instead of that of the image.'),
  entrypoint: list(text()).optional().describe('Entry point, instead of that of the image: --entrypoint.'),
  workingDir: absolutePath().optional().describe('Working directory: --workdir.'),
  maxMemory: checked((size) => /^[1-9]\d{0,14}[bkmg]?$/i.test(size), 'a size such as 512m or 2g')
    .optional()
    .describe('Most memory that it may use: --memory.'),
  restart: checked(
    (policy) => /^(?:no|never|always|unless-stopped|on-failure(?::[1-9]\d{0,3})?)$/.test(policy),
    'no, always, unless-stopped, on-failure or on-failure:<times>',
  )
    .optional()
    .describe('When it is started again: --restart.'),
  tty: z.boolean('must be true or false').optional().describe('Whether it gets a terminal: --tty.'),
});

const requires = list(text().min(1))
  .optional()
  .describe('Names of the containers that must run before this one.');

const Container = one({spec: Spec.describe('What podman creates.'), requires});

const InitContainer = one({
  spec: Spec.describe('What podman creates.'),
  requires: requires.describe('Has no effect here: init containers run one after the other.'),
  timeout: checked((duration) => findSeconds(duration) !== undefined, 'a duration such as 90s, 10m or 1h30m')
    .optional()
    .describe('After this time the installation fails and is reverted; 10m when absent.'),
});

const Volume = one({
  name: volumeName().describe('Name by which containers use it.'),
  hostPath: checked(isPlainAbsolute, 'an absolute path without ".."').describe(
    'Folder of the host; created when absent.',
  ),
});

/** A bundle description, as its file says it. */
export const Description = one({
  apiVersion: z
    .literal('v1', {error: (issue) => (issue.input === undefined ? 'is not set' : 'must be "v1"')})
    .describe('Version of this format.'),
  id: checked((id) => idPattern.test(id), 'letters, digits and "-" only').describe(
    'Id of the bundle; with the version it identifies the bundle.',
  ),
  name: text().min(1).describe('Name for people.'),
  version: checked(
    (version) => versionPattern.test(version),
    'a SemVer version with three parts, such as 1.0.0',
  ).describe('Version of the bundle: SemVer 2.0.0.'),
  type: z
    .enum(['base', 'addon'], {
      error: (issue) => (issue.input === undefined ? 'is not set' : 'must be "base" or "addon"'),
    })
    .describe('A system has exactly one base bundle and any number of addons.'),
  kukaLinuxVersion: checked(isVersionRange, 'a range of versions such as ">=0.1.0"').describe(
    'Versions of the operating system that it can be installed on.',
  ),
  description: text().optional().describe('What it is, in a sentence.'),
  volumes: list(Volume).optional().describe('Every volume that a container uses.'),
  containers: list(Container).optional().describe('Containers that run permanently, as services.'),
  initContainers: list(InitContainer)
    .optional()
    .describe('Containers that run once, in this order, at installation and at update, before the others.'),
});
export type Description = z.infer<typeof Description>;

/** The names that a map may have at a place of the file; undefined where any name is right. */
export function knownKeys(path: readonly PropertyKey[]): readonly string[] | undefined {
  const place = path.filter((part) => typeof part === 'string').join('.');
  const maps: Readonly<Record<string, {readonly shape: object}>> = {
    '': Description,
    volumes: Volume,
    containers: Container,
    initContainers: InitContainer,
    'containers.spec': Spec,
    'initContainers.spec': Spec,
    'containers.spec.volumes': SpecVolume,
    'initContainers.spec.volumes': SpecVolume,
  };
  const map = maps[place];
  return map === undefined ? undefined : Object.keys(map.shape);
}

/** The JSON Schema (draft 7) of a description, for editors. */
export function descriptionJsonSchema(): Record<string, unknown> {
  // Through JSON, because what zod returns carries its own methods.
  const {$schema, ...rest} = JSON.parse(
    JSON.stringify(z.toJSONSchema(Description, {io: 'input', target: 'draft-7'})),
  ) as Record<string, unknown>;
  return {$schema, title: 'update-agent bundle description', ...withPatterns(rest)};
}

/** Rules that are functions above and patterns in JSON Schema. */
function withPatterns(schema: Record<string, unknown>): Record<string, unknown> {
  const properties = schema['properties'] as Record<string, Record<string, unknown>>;
  properties['id'] = {...properties['id'], pattern: idPattern.source};
  // Editors know no named groups.
  properties['version'] = {
    ...properties['version'],
    pattern: versionPattern.source.replaceAll(/\?<\w+>/g, '?:'),
  };
  return {...schema, anyOf: [{required: ['containers']}, {required: ['initContainers']}]};
}
