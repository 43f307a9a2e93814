import {z} from 'zod';
import {oneOf, text} from './fields.ts';
import {localPath, requiredLocalPath} from './system-fields.ts';

// Fields of ota-bundler. As in fields.ts, a message is the rest of a sentence: "must be …".

/** What can be written in `ota-bundler.outputs`. */
export const updateOutputs = ['v1', 'legacy', 'offline_bundle', 'update_agent_bundle'] as const;

/** Where the images of an update-agent bundle come from. */
const imageOrigins = ['none', 'registry', 'layout'] as const;

const variablePattern = /^env:([A-Za-z_][A-Za-z0-9_]*)$/;

/** The environment variable that a value such as `env:OTA_SIGN_KEY` names. */
export function variableOf(value: string): string | undefined {
  return variablePattern.exec(value)?.[1];
}

/** Each output at most once. */
export function outputs() {
  return z
    .array(oneOf(updateOutputs), {error: `must be a list of ${updateOutputs.join(', ')}`})
    .min(1, `must name at least one of ${updateOutputs.join(', ')}`)
    .refine((names) => new Set(names).size === names.length, 'must name each output once');
}

/** The ECUs that get the root file system. */
export function ecus() {
  const ecu = z.strictObject(
    {
      id: text(
        /^[A-Za-z0-9_][A-Za-z0-9._-]*$/,
        'the id of an ECU (letters, digits, ".", "_", "-")',
        128,
      ).meta({
        description: 'Its id.',
      }),
      sys_config: localPath('a YAML file')
        .meta({description: 'File beside configs.json with its system configuration; empty for none.'})
        .optional(),
    },
    {error: 'must be an object with id and, where wanted, sys_config'},
  );
  return z
    .array(ecu, {error: 'must be a list of ECUs (such as [{"id": "main"}])'})
    .min(1, 'must name at least one ECU')
    .refine((list) => new Set(list.map(({id}) => id)).size === list.length, 'must name each ECU once');
}

/** Annotations by their keys; which keys there are is known where images are made. */
export function annotations() {
  return z.record(
    z.string(),
    z.string({error: 'must be text'}).max(4096, 'must be text, at most 4096 characters'),
    {error: 'must be an object of annotations, as {"vnd.tier4.pilot-auto.platform": "…"}'},
  );
}

/** A PEM file beside configs.json, or `env:NAME` for a variable with the PEM itself or the path of a file. */
export function pem(what: string) {
  const error = `must be ${what} beside configs.json (a relative path without ".."), or env: and the name of a variable`;
  return z
    .string({error})
    .max(512, error)
    .refine(
      (value) =>
        variableOf(value) !== undefined ||
        (!value.startsWith('env:') && localPath(what).safeParse(value).success),
      error,
    );
}

/** Further certificates: intermediates, and perhaps the root. */
export function caCertificates() {
  return z.array(
    pem('a PEM file with a certificate').refine((value) => value !== '', 'must not be empty'),
    {error: 'must be a list of PEM files'},
  );
}

/** The update-agent bundle that goes with an image. */
export const updateAgentFields = {
  description: localPath('a YAML file').meta({
    description: 'File beside configs.json that describes the bundle.',
  }),
  files: z
    .array(requiredLocalPath('a file'), {error: 'must be a list of files beside configs.json'})
    .meta({description: 'Files beside configs.json that it carries: licences, JSON Schemas.'}),
  images: oneOf(imageOrigins).meta({
    description:
      'Where the images of its containers come from: "none" (no archive of images), "registry" (each must be named by its digest), or "layout".',
  }),
  layout: localPath('a folder').meta({description: 'Folder beside configs.json with an OCI layout.'}),
};
