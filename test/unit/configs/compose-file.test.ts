import fc from 'fast-check';
import {describe, expect, it} from 'vitest';
import {findComposeProblem} from '../../../configs/compose-file.ts';

describe('findComposeProblem', () => {
  it.each([
    'services:\n  web:\n    image: nginx\n',
    '{"services": {"web": {"image": "nginx"}}}',
    'x-a: &a\n  restart: always\nservices:\n  web:\n    <<: *a\n    image: nginx\n',
  ])('finds none in %j', (text) => {
    expect(findComposeProblem(text)).toBeUndefined();
  });

  it.each(['', '- a', 'web:\n  image: nginx', 'services:', 'services: []', 'services: {}', 'services: text'])(
    'misses services in %j',
    (text) => {
      expect(findComposeProblem(text)?.message).toMatch(/it needs `services`/);
    },
  );

  it('says in which line the YAML is broken', () => {
    expect(findComposeProblem('services:\n  web:\n  image: "nginx\n')).toMatchObject({line: 4});
    expect(findComposeProblem('services:\n\tweb: 1')).toMatchObject({
      line: 2,
      message: expect.stringMatching(/^is not YAML: /) as string,
    });
  });

  it('is not drowned by aliases', () => {
    const bomb = ['a: &a [x, x, x, x, x, x, x, x, x]'];
    for (const name of 'bcdefgh') {
      const before = String.fromCharCode(name.charCodeAt(0) - 1);
      bomb.push(`${name}: &${name} [${Array.from({length: 9}, () => `*${before}`).join(', ')}]`);
    }
    expect(findComposeProblem(bomb.join('\n'))?.message).toMatch(/cannot be read as YAML/);
  });

  it('never throws', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        findComposeProblem(text);
      }),
    );
  });
});
