import {createHash} from 'node:crypto';
import {describe, expect, it} from 'vitest';
import {allSteps} from '../../../../api/components/components.ts';
import type {Step} from '../../../../api/components/step.ts';
import {selectSteps} from '../../../../api/pipeline/select-steps.ts';
import {defaultConfigs} from '../../../../configs/default-configs.ts';
import type {LocalFiles} from '../../../../configs/local-files.ts';
import type {Configs} from '../../../../configs/schema.ts';

const defaults = defaultConfigs();

const local: LocalFiles = new Map(
  ['sign.pem', 'root.pem', 'sys.yaml', 'bundle.yaml', 'eula.txt', 'layout'].map((path) => [
    path,
    {
      digest: createHash('sha256').update(path).digest('hex'),
      entries: [
        {type: 'file', path: '', source: `/there/${path}`, sizeBytes: 1, executable: false, content: 'x'},
      ],
    },
  ]),
);

function configsWith(fields: Partial<Configs['ota-bundler']>): Configs {
  return {...defaults, 'ota-bundler': {...defaults['ota-bundler'], ...fields}};
}

const signed = {sign_key: 'env:KEY', sign_cert: 'sign.pem', ca_certs: ['root.pem']};

/** The steps of ota-bundler with the names of what each delivers. */
function stepsOf(fields: Partial<Configs['ota-bundler']>): ReadonlyMap<string, Step> {
  const steps = allSteps(configsWith(fields), local).filter(({component}) => component === 'ota-bundler');
  return new Map(steps.map((step) => [step.name, step]));
}

const delivered = (steps: ReadonlyMap<string, Step>) =>
  [...steps.values()].flatMap(({outputs}) => outputs.filter((one) => one.delivered).map(({name}) => name));

describe('the outputs', () => {
  it('are the OTA image alone unless more is asked for', () => {
    expect(delivered(stepsOf({}))).toEqual([
      'hypriotos-rpi64-ota-latest.zip',
      'hypriotos-rpi64-ota-latest.zip.sha256',
    ]);
  });

  it('have a step each, which needs what it is made of', () => {
    const steps = stepsOf({
      ...signed,
      outputs: ['v1', 'legacy', 'offline_bundle', 'update_agent_bundle'],
      update_agent_bundle: {
        description: 'bundle.yaml',
        files: ['eula.txt'],
        images: 'layout',
        layout: 'layout',
      },
    });
    expect(Object.fromEntries([...steps].map(([name, {inputs}]) => [name, inputs]))).toEqual({
      'ota-bundler.kernel': ['rpi_kernel'],
      'ota-bundler': ['rpi_sd_image', 'ota-bundler.kernel'],
      'ota-bundler.legacy': ['rpi_sd_image', 'ota-bundler.kernel'],
      'ota-bundler.offline': ['ota-bundler'],
      'ota-bundler.bundle': [],
    });
    expect(delivered(steps).filter((name) => !name.endsWith('.sha256'))).toEqual([
      'hypriotos-rpi64-ota-latest.zip',
      'hypriotos-rpi64-ota-latest-legacy.tar',
      'hypriotos-rpi64-ota-latest-offline.tar',
      '*.bundle',
      '*_images.tar.gz',
    ]);
  });

  it('are none but those that are asked for: what one is packed from stays in the volume', () => {
    const offline = stepsOf({outputs: ['offline_bundle']});
    expect([...offline.keys()]).toEqual(['ota-bundler.kernel', 'ota-bundler', 'ota-bundler.offline']);
    expect(delivered(offline)[0]).toBe('hypriotos-rpi64-ota-latest-offline.tar');
    const legacy = stepsOf({...signed, outputs: ['legacy', 'offline_bundle']});
    expect(legacy.has('ota-bundler')).toBe(false);
    expect(legacy.get('ota-bundler.offline')?.inputs).toEqual(['ota-bundler.legacy']);
  });

  it('need no kernel and no card for an update-agent bundle', () => {
    const bundle = {description: 'bundle.yaml', files: [], images: 'registry', layout: ''} as const;
    const steps = stepsOf({...signed, outputs: ['update_agent_bundle'], update_agent_bundle: bundle});
    expect([...steps.values()].map(({name, inputs}) => [name, inputs])).toEqual([['ota-bundler.bundle', []]]);
  });

  it('are built where they are asked for, and by no other name', () => {
    const resolved = {
      components: configsWith({...signed, outputs: ['legacy']}),
      requested: [],
      file: undefined,
      local,
    };
    expect(selectSteps(resolved, ['ota-bundler']).steps.map(({name}) => name)).toContain(
      'ota-bundler.legacy',
    );
    expect(
      selectSteps(resolved, ['rpi_sd_image'])
        .steps.map(({name}) => name)
        .join(),
    ).not.toContain('ota-bundler');
  });
});

describe('a signature', () => {
  const identityOf = (fields: Partial<Configs['ota-bundler']>) =>
    JSON.stringify(stepsOf(fields).get('ota-bundler'));

  it('counts by the content of the certificates, and never by anything of the key', () => {
    const told = stepsOf(signed)
      .get('ota-bundler')
      ?.settings.map(({variable, value}) => [variable, value]);
    expect(told).toContainEqual(['SIGN_CERT', local.get('sign.pem')?.digest]);
    expect(told).toContainEqual(['CA_CERTS', local.get('root.pem')?.digest]);
    expect(identityOf(signed)).not.toContain('env:KEY');
    expect(identityOf({...signed, sign_key: 'other.pem'})).toBe(identityOf(signed));
    expect(identityOf(signed)).not.toBe(identityOf({}));
  });

  it('leaves the offline bundle as it is: that holds what its input holds', () => {
    const of = (fields: Partial<Configs['ota-bundler']>) =>
      stepsOf({...fields, outputs: ['offline_bundle']}).get('ota-bundler.offline')?.settings;
    expect(of(signed)).toEqual(of({}));
  });
});

describe('annotations', () => {
  const annotationsOf = (annotations: Record<string, string>) => {
    const client = stepsOf({annotations}).get('ota-bundler')?.client;
    return client?.kind === 'image' ? client.annotations : {};
  };

  it('have values where the format requires some, and the configuration wins', () => {
    expect(annotationsOf({})).toMatchObject({
      'vnd.tier4.image.base-image': 'debian:trixie',
      'vnd.tier4.pilot-auto.platform.ecu.architecture': 'aarch64',
    });
    expect(annotationsOf({'vnd.tier4.image.base-image': 'mine'})).toMatchObject({
      'vnd.tier4.image.base-image': 'mine',
    });
  });
});
