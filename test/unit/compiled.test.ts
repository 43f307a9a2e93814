import {execFileSync} from 'node:child_process';
import {mkdtempSync, readdirSync, readFileSync, rmSync} from 'node:fs';
import {join} from 'node:path';
import {afterAll, beforeAll, describe, expect, it} from 'vitest';
import {packageRoot} from '../../configs/package-root.ts';

/** Below the project, so that what is compiled finds its packages. */
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(packageRoot(), 'node_modules', '.hypriotkit-compiled-'));
  const compiler = join(packageRoot(), 'node_modules/typescript/bin/tsc');
  execFileSync('node', [compiler, '-p', 'tsconfig.build.json', '--outDir', folder], {cwd: packageRoot()});
}, 300_000);

afterAll(() => {
  rmSync(folder, {recursive: true, force: true});
});

describe('what tsc makes of the sources', () => {
  it('imports nothing that exists only as a source, in functions with `using` neither', () => {
    const files = readdirSync(folder, {recursive: true, encoding: 'utf8'}).filter((name) =>
      name.endsWith('.js'),
    );
    expect(files.length).toBeGreaterThan(100);
    const wrong = files.flatMap((name) =>
      [
        ...readFileSync(join(folder, name), 'utf8').matchAll(/^(?! *\*).*(?:import\(|from )'\.[^']*\.ts'/gm),
      ].map(([line]) => `${name}: ${line.trim()}`),
    );
    expect(wrong).toEqual([]);
  });
});
