import {basename} from 'node:path';
import {localTree, noLocalFiles, type LocalFiles} from '../../configs/local-files.ts';
import type {Configs} from '../../configs/schema.ts';
import {gibibyte, withDigest, type Output, type Setting, type Step, type StepFile} from './step.ts';
import {updateFiles, updateRecord, type UpdateEcu} from './update-work.ts';

const component = 'ota-bundler';

/** Raise it when other bytes come out for the same settings and inputs: what the client makes has no build image. */
const contract = 1;

/** What an update has beside the root file system of the card. */
export const kernelArchive = 'kernel.tar';

/** The steps of the outputs that are asked for. */
export function otaBundlerSteps(configs: Configs, local: LocalFiles = noLocalFiles): Step[] {
  const {[component]: config} = configs;
  const wants = (output: (typeof config.outputs)[number]) => config.outputs.includes(output);
  const stem = `hypriotos-rpi64-ota-${config.version}`;
  const common = {
    component,
    contract,
    buildImage: component,
    imageName: config.image,
    network: false,
    memoryBytes: gibibyte,
  } as const;
  const client = {...common, command: []};
  const inputs = ['rpi_sd_image', `${component}.kernel`];
  const signature = signatureSettings(configs, local);
  // An offline bundle holds the image in the newest format that is made, and v1 where none is.
  const offlineOf = wants('legacy') && !wants('v1') ? `${component}.legacy` : component;
  const steps: Step[] = [];
  if (wants('v1') || wants('legacy') || wants('offline_bundle')) {
    steps.push({
      ...common,
      name: `${component}.kernel`,
      description: 'kernel for the root slots',
      command: ['/builder/build.sh'],
      settings: [],
      inputs: ['rpi_kernel'],
      outputs: [{name: kernelArchive, delivered: false}],
    });
  }
  if (wants('v1') || (wants('offline_bundle') && offlineOf === component)) {
    steps.push({
      ...client,
      name: component,
      description: `OTA image ${stem}.zip`,
      settings: [...imageSettings(configs, local), ...signature],
      inputs,
      files: sysConfigFiles(configs, local),
      outputs: [...delivered(wants('v1'), `${stem}.zip`), {name: updateRecord, delivered: false}],
      client: {
        kind: 'image',
        artifact: `${stem}.zip`,
        ecus: ecusOf(configs),
        releaseKey: config.release_key,
        annotations: annotationsOf(configs),
        skipBundle: !config.bundle_filter,
        skipCompression: !config.compress_filter,
        skipSlice: !config.slice_filter,
      },
    });
  }
  if (wants('legacy')) {
    const artifact = `${stem}-legacy.tar`;
    steps.push({
      ...client,
      name: `${component}.legacy`,
      description: `legacy OTA image ${artifact}`,
      settings: signature,
      inputs,
      outputs: delivered(true, artifact),
      client: {kind: 'legacy', artifact},
    });
  }
  if (wants('offline_bundle')) {
    const artifact = `${stem}-offline.tar`;
    const ecuIds = config.ecus.map(({id}) => id);
    steps.push({
      ...client,
      name: `${component}.offline`,
      description: `offline bundle ${artifact}`,
      settings: [
        {field: `${component}.ecus`, variable: 'ECUS', value: ecuIds.join(' ')},
        {field: `${component}.version`, variable: 'VERSION', value: config.version},
      ],
      inputs: [offlineOf],
      outputs: delivered(true, artifact),
      client: {
        kind: 'offline',
        artifact,
        image: offlineOf === component ? `${stem}.zip` : `${stem}-legacy.tar`,
        ecuIds,
        version: config.version,
      },
    });
  }
  if (wants('update_agent_bundle')) steps.push(agentBundleStep(configs, local, client, signature));
  return steps;
}

function delivered(isDelivered: boolean, name: string): Output[] {
  return withDigest(name).map((output) => ({...output, delivered: isDelivered}));
}

function agentBundleStep(
  {[component]: {update_agent_bundle: bundle}}: Configs,
  local: LocalFiles,
  client: Pick<
    Step,
    'component' | 'contract' | 'buildImage' | 'imageName' | 'network' | 'memoryBytes' | 'command'
  >,
  signature: readonly Setting[],
): Step {
  const field = `${component}.update_agent_bundle`;
  const file = (path: string, from: string): StepFile => ({path, field, tree: localTree(local, from)});
  const files = [
    // Under its own name, which is in the bundle, too.
    file(`${updateFiles.description}/${basename(bundle.description)}`, bundle.description),
    ...bundle.files.map((path) => file(`${updateFiles.more}/${basename(path)}`, path)),
    ...(bundle.images === 'layout' ? [file(updateFiles.layout, bundle.layout)] : []),
  ];
  return {
    ...client,
    name: `${component}.bundle`,
    description: 'update-agent bundle',
    settings: [
      {field, variable: 'FILES', value: files.map(({path, tree}) => `${tree.digest} ${path}`).join('\n')},
      {field, variable: 'IMAGES', value: bundle.images},
      ...signature,
    ],
    inputs: [],
    files,
    outputs: [...withDigest('*.bundle'), ...(bundle.images === 'none' ? [] : withDigest('*_images.tar.gz'))],
    client: {kind: 'agent-bundle', images: bundle.images},
  };
}

/** Where a device must find the certificate of the signature, by its content; the key itself is nowhere. */
function signatureSettings({[component]: config}: Configs, local: LocalFiles): Setting[] {
  const {sign_cert: certificate, ca_certs: authorities} = config;
  if (config.sign_key === '') return [];
  const digest = (value: string) => localTree(local, value).digest;
  return [
    {field: `${component}.sign_cert`, variable: 'SIGN_CERT', value: digest(certificate)},
    {field: `${component}.ca_certs`, variable: 'CA_CERTS', value: authorities.map(digest).join('\n')},
  ];
}

function imageSettings(configs: Configs, local: LocalFiles): Setting[] {
  const {[component]: config} = configs;
  const setting = (field: string, variable: string, value: string) => ({
    field: `${component}.${field}`,
    variable,
    value,
  });
  const ecus = config.ecus.map(({id, sys_config: file = ''}) =>
    file === '' ? id : `${id} ${localTree(local, file).digest}`,
  );
  const annotations = Object.entries(annotationsOf(configs)).sort(([a], [b]) => (a < b ? -1 : 1));
  return [
    setting('version', 'VERSION', config.version),
    setting('ecus', 'ECUS', ecus.join('\n')),
    setting('release_key', 'RELEASE_KEY', config.release_key),
    setting('annotations', 'ANNOTATIONS', JSON.stringify(annotations)),
    setting('bundle_filter', 'BUNDLE', String(config.bundle_filter)),
    setting('compress_filter', 'COMPRESS', String(config.compress_filter)),
    setting('slice_filter', 'SLICE', String(config.slice_filter)),
  ];
}

/** What the format requires has a value; the user's own win. */
function annotationsOf({[component]: config, root_fs: root}: Configs): Readonly<Record<string, string>> {
  return {
    'vnd.tier4.image.base-image': `debian:${root.suite}`,
    'vnd.tier4.image.os': 'debian',
    'vnd.tier4.image.os.version': root.suite,
    'vnd.tier4.pilot-auto.platform.ecu.architecture': 'aarch64',
    ...config.annotations,
  };
}

function sysConfigFiles({[component]: config}: Configs, local: LocalFiles): StepFile[] {
  return config.ecus.flatMap(({id, sys_config: file = ''}) =>
    file === '' ? [] : [{path: `sys_config/${id}`, field: `${component}.ecus`, tree: localTree(local, file)}],
  );
}

function ecusOf({[component]: config}: Configs): UpdateEcu[] {
  return config.ecus.map(({id, sys_config: file = ''}) => ({
    id,
    ...(file !== '' && {sysConfig: `sys_config/${id}`}),
  }));
}
