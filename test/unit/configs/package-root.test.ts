import {mkdirSync, mkdtempSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {afterEach, beforeEach, describe, expect, it} from 'vitest';
import {findPackageRoot, packageRoot} from '../../../configs/package-root.ts';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hypriotkit-root-'));
});

afterEach(() => {
  rmSync(folder, {recursive: true});
});

describe('packageRoot', () => {
  it('is the folder above configs/', () => {
    expect(packageRoot()).toBe(join(import.meta.dirname, '..', '..', '..'));
  });
});

describe('findPackageRoot', () => {
  it('walks up from dist/configs, past the packages of others and broken ones', () => {
    const start = join(folder, 'dist', 'configs');
    mkdirSync(start, {recursive: true});
    writeFileSync(join(folder, 'package.json'), '{"name": "hypriotkit"}');
    writeFileSync(join(folder, 'dist', 'package.json'), '{"name": "other"}');
    writeFileSync(join(start, 'package.json'), '{');
    expect(findPackageRoot(start)).toBe(folder);
  });

  it('says where it looked when there is none', () => {
    expect(() => findPackageRoot(folder)).toThrow(`Found no package.json named "hypriotkit" in ${folder}`);
  });
});
