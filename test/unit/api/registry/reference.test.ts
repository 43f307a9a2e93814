import fc from 'fast-check';
import {describe, expect, it} from 'vitest';
import {archiveName, formatImageReference, parseImageReference} from '../../../../api/registry/reference.ts';

const digest = `sha256:${'0123456789abcdef'.repeat(4)}`;

describe('an image reference', () => {
  it.each([
    ['alpine', {registry: 'docker.io', repository: 'library/alpine'}],
    ['alpine:3.20', {registry: 'docker.io', repository: 'library/alpine', tag: '3.20'}],
    ['docker.io/library/alpine', {registry: 'docker.io', repository: 'library/alpine'}],
    ['team/app', {registry: 'docker.io', repository: 'team/app'}],
    ['k8s.gcr.io/pause', {registry: 'k8s.gcr.io', repository: 'pause'}],
    ['localhost/app', {registry: 'localhost', repository: 'app'}],
    ['localhost:5000/a/b:t', {registry: 'localhost:5000', repository: 'a/b', tag: 't'}],
    [`r.example/a@${digest}`, {registry: 'r.example', repository: 'a', digest}],
    [`r.example/a:1@${digest}`, {registry: 'r.example', repository: 'a', tag: '1', digest}],
    ['[::1]:5000/a', {registry: '[::1]:5000', repository: 'a'}],
  ])('%s', (text, expected) => {
    expect(parseImageReference(text)).toEqual(expected);
  });

  it.each([
    '',
    'A',
    'a b',
    'a:',
    ':a',
    'a@sha256:12',
    'a//b',
    '/a',
    'a/',
    'a:-x',
    '-a',
    'a..b',
    'r.example/',
    'a'.repeat(600),
    '0'.repeat(64),
  ])('%j is none', (text) => {
    expect(parseImageReference(text)).toBeUndefined();
  });

  it('survives being written and read', () => {
    const name = fc.stringMatching(/^[a-z0-9]{1,8}$/);
    const reference = fc.record(
      {
        registry: fc.constantFrom('docker.io', 'localhost', 'r.example', 'r.example:5000'),
        repository: fc.tuple(name, name).map((parts) => parts.join('/')),
        tag: fc.stringMatching(/^\w[\w.-]{0,20}$/),
        digest: fc.constant(digest),
      },
      {requiredKeys: ['registry', 'repository']},
    );
    fc.assert(
      fc.property(reference, (value) => {
        expect(parseImageReference(formatImageReference(value))).toEqual(value);
      }),
    );
  });

  it('has a name in archives unless a digest is all it has', () => {
    const named = (text: string) => archiveName(parseImageReference(text) ?? {registry: '', repository: ''});
    expect(named('alpine')).toBe('docker.io/library/alpine:latest');
    expect(named(`alpine:3@${digest}`)).toBe('docker.io/library/alpine:3');
    expect(named(`alpine@${digest}`)).toBeUndefined();
  });
});
