import {describe, expect, it} from 'vitest';
import {linesOf, linesOfValue} from './check.ts';

const source = {name: 'more', url: 'http://deb.test/x', suite: 'trixie', components: ['main'], key: 'k.asc'};
const withSource = (fields: object) => linesOfValue({root_fs: {apt_sources: [{...source, ...fields}]}});

describe('a value inside a field', () => {
  it('is right', () => {
    expect(withSource({})).toEqual([]);
  });

  it('that is wrong is reported at its own place', () => {
    expect(linesOf('{"root_fs": {"apt_sources": [\n{"name": "a", "url": 3}]}}')).toEqual([
      '2:1 root_fs.apt_sources[0].suite is missing: it must be a suite (such as "trixie"), or a path that ends with "/"',
      '2:22 root_fs.apt_sources[0].url must be "" or an http or https address (without user name, password, query and special characters), found 3',
    ]);
    expect(withSource({components: ['main', 'A B']})).toEqual([
      '1:107 root_fs.apt_sources[0].components[1] must be the name of a component (such as "main"), found "A B"',
    ]);
  });

  it('that is not known is reported at its key', () => {
    expect(withSource({sweet: 1})).toEqual(['1:122 root_fs.apt_sources[0] has no key "sweet"']);
    expect(linesOf('{"root_fs": {"apt_sources": [{"__proto__": {"polluted": 1}}]}}')[0]).toMatch(
      /root_fs\.apt_sources\[0\]/,
    );
    expect({}).not.toHaveProperty('polluted');
  });

  it('that is there twice is reported', () => {
    expect(linesOf('{"root_fs": {"apt_sources": [{"name": "a",\n "name": "b"}]}}')[1]).toBe(
      '2:2 duplicate key "name": it is already on line 1',
    );
  });
});

describe('the rules of apt_sources', () => {
  it('a flat archive has no components, every other one has', () => {
    expect(withSource({suite: './', components: []})[0]).toContain('must be a suite');
    expect(withSource({suite: 'x/', components: []})).toEqual([]);
    expect(withSource({suite: 'x/'})[0]).toContain('must give "more" no components');
    expect(withSource({components: []})[0]).toContain('must give "more" components');
  });

  it('each has a name of its own', () => {
    expect(linesOfValue({root_fs: {apt_sources: [source, source]}})[0]).toContain('"more" is there twice');
  });
});

it('remove_packages does not name what packages asks for', () => {
  expect(linesOfValue({root_fs: {packages: ['vim'], remove_packages: ['vim']}})).toEqual([
    '1:50 root_fs.remove_packages must not name "vim", which packages asks for, found a list',
  ]);
});
