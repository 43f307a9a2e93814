import {existsSync, readdirSync, readFileSync} from 'node:fs';
import {join} from 'node:path';
import {expect, it} from 'vitest';
import {packageRoot} from '../../../configs/package-root.ts';

const at = (...parts: string[]) => join(packageRoot(), ...parts);
const read = (...parts: string[]) => readFileSync(at(...parts), 'utf8');
const {exports} = JSON.parse(read('package.json')) as {
  exports: Record<string, {types: string; default: string}>;
};
/** `hypriotkit/ota` by the source that it is compiled from. */
const sources = new Map(
  Object.entries(exports).map(([name, {default: file}]) => [
    file.replace(/^\.\/dist\//, '').replace(/\.js$/, '.ts'),
    join('hypriotkit', name),
  ]),
);

it('every entry of the package is compiled from a source that there is', () => {
  expect([...sources.values()]).toEqual([
    'hypriotkit',
    'hypriotkit/ota',
    'hypriotkit/bundle',
    'hypriotkit/medium',
  ]);
  for (const source of sources.keys()) expect(existsSync(at(source)), source).toBe(true);
  for (const {types, default: file} of Object.values(exports))
    expect(types).toBe(file.replace(/\.js$/, '.d.ts'));
});

// The examples are compiled with everything else, and here they are compared with what the pages show.
it.each(readdirSync(at('test/examples')))('the example %s is that of its page', (name) => {
  const example = read('test/examples', name).replace(
    /'\.\.\/\.\.\/([^']+)'/g,
    (_, source: string) => `'${sources.get(source) ?? source}'`,
  );
  expect(read('docs', name.replace(/\.ts$/, '.md'))).toContain(`\`\`\`ts\n${example}\`\`\`\n`);
});
