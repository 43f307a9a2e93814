import {describe, expect, it} from 'vitest';
import {checkName, parseBundleName} from '../../../../api/bundle/names.ts';

describe('a bundle name', () => {
  it.each(['robotics-base-bundle_1.0.0', 'robot-data-lbr3r760-iisy-230V_1.0.0', 'a_1.0.0-rc.1+b5'])(
    '%s is one',
    (name) => {
      const [id, ...version] = name.split('_');
      expect(parseBundleName(`${name}.bundle`)).toEqual({id, version: version.join('_')});
    },
  );

  it.each([
    'a_01.0.0.bundle',
    'a_1.0.bundle',
    'a_v1.0.0.bundle',
    'a b_1.0.0.bundle',
    'a_1.0.0.Bundle',
    'a_1.0.0',
  ])('%s is none', (name) => {
    expect(parseBundleName(name)).toBeUndefined();
    expect(checkName(name)).toMatchObject({recognised: false, followsConvention: false});
    expect(checkName(name).remarks).not.toEqual([]);
  });
});

describe('checkName', () => {
  it('knows a description, but does not take its signature for one', () => {
    expect(checkName('gripper-toolbox-bundle_1.1.0.yaml')).toMatchObject({
      kind: 'description',
      recognised: true,
    });
    expect(checkName('gripper-toolbox-bundle_1.1.0.yaml.sign')).toMatchObject({
      kind: 'unknown',
      recognised: false,
    });
  });

  it('knows the images of a bundle', () => {
    expect(checkName('test-bundle-id_1.0.0_images.tar.gz')).toMatchObject({
      kind: 'images',
      parts: {id: 'test-bundle-id', version: '1.0.0'},
    });
  });

  it.each([
    ['krc5_stable_0.0.7_marlin_amd64.swu', true, false],
    ['krc5_iiqka_stable_1.2.3_x.swu', false, true],
    ['krc5_iiqka_stable_1.2.3.swu', false, true],
    ['smartpad-pro_iiqka_1.3.0_image.swu', false, true],
    ['smartpad-pro_1.3.0.swu', false, true],
    ['krc5_stable_marlin.swu', false, false],
  ])(
    'tells for %s what the convention and what the update agent says',
    (name, followsConvention, recognised) => {
      expect(checkName(name)).toMatchObject({kind: 'swu', followsConvention, recognised});
    },
  );
});
