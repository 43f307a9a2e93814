import fc from 'fast-check';
import {resolve} from 'node:path';
import {describe, expect, it} from 'vitest';
import {parseVolumeReference} from '../../../../api/engine/volume-reference.ts';

describe('parseVolumeReference', () => {
  it.each(['hypriot-artifacts', 'a1', 'A.b_c-d', '0x', 'a..b', 'x'.repeat(200)])('%s is a name', (text) => {
    expect(parseVolumeReference(text)).toMatchObject({kind: 'named', name: text, label: text});
  });

  it.each(['/', '/srv/artifacts', '.', '..', './out', '../out', './', '/a b/ä', '/a/../b'])(
    '%s is a folder',
    (text) => {
      const path = resolve(text);
      expect(parseVolumeReference(text)).toMatchObject({kind: 'folder', path, label: path});
    },
  );

  it.each([
    '',
    'a',
    '-a',
    '_a',
    '.hidden',
    'a/b',
    'a b',
    'ä-volume',
    'a:b',
    'a\n',
    '~/out',
    '...',
    'C:\\out',
  ])('%j is neither', (text) => {
    expect(() => parseVolumeReference(text)).toThrow(
      expect.objectContaining({
        code: 'VOLUME_UNUSABLE',
        message: `"${text}" is neither the name of a volume nor the path of a folder`,
      }),
    );
  });

  it('gives the same id for the same volume, however it is written, and others for others', () => {
    const id = (text: string) => parseVolumeReference(text).id;
    expect(id('./out')).toBe(id(resolve('out')));
    expect(id('/srv/a/')).toBe(id('/srv/a'));
    expect(new Set(['out', './out', '/out', 'out2'].map(id)).size).toBe(4);
  });

  it('gives an id that every name in the engine can have in it', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[a-zA-Z0-9][a-zA-Z0-9_.-]{1,60}$/), (name) => {
        expect(parseVolumeReference(name).id).toMatch(/^[0-9a-f]{12}$/);
      }),
    );
  });
});
