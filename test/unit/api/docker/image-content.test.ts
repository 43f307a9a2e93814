import {describe, expect, it} from 'vitest';
import {imageContent, type InspectedImage} from '../../../../api/docker/image-content.ts';

const image = {
  Os: 'linux',
  Architecture: 'amd64',
  RootFS: {Layers: ['sha256:a', 'sha256:b']},
  Config: {Env: ['A=b'], Cmd: ['sh'], Labels: {x: '1', y: '2'}},
} satisfies InspectedImage;

describe('imageContent', () => {
  it('does not depend on the order of labels, nor on how an engine says that something is empty', () => {
    const other = {
      ...image,
      Id: 'sha256:another',
      Config: {...image.Config, Labels: {y: '2', x: '1'}, Entrypoint: null, WorkingDir: '', User: ''},
    };
    expect(imageContent(other)).toBe(imageContent(image));
  });

  it.each<[string, InspectedImage]>([
    ['a layer', {...image, RootFS: {Layers: ['sha256:a', 'sha256:c']}}],
    ['the order of layers', {...image, RootFS: {Layers: ['sha256:b', 'sha256:a']}}],
    ['a label', {...image, Config: {...image.Config, Labels: {x: '1', y: '3'}}}],
    ['the environment', {...image, Config: {...image.Config, Env: ['A=c']}}],
    ['the command', {...image, Config: {...image.Config, Cmd: ['bash']}}],
    ['the architecture', {...image, Architecture: 'arm64'}],
  ])('changes with %s', (_what, changed) => {
    expect(imageContent(changed)).not.toBe(imageContent(image));
  });
});
