import {readFileSync} from 'node:fs';
import {fileURLToPath} from 'node:url';
import {describe, expect, it} from 'vitest';
import {parse} from 'yaml';
import {parseCacheOptions} from '../../api/pipeline/cache-options.ts';
import {runWith} from './cli/run-command.ts';

const read = (name: string) =>
  readFileSync(fileURLToPath(new URL(`../../examples/teams/${name}`, import.meta.url)), 'utf8');

describe.each(['github-actions.yml', 'gitlab-ci.yml'])('the recipe %s', (name) => {
  it('is YAML, and uses options that there are', async () => {
    const text = read(name);
    expect(parse(text)).toBeTypeOf('object');
    const commands = [...text.matchAll(/hypriotkit build (.*)/g)].map(([, rest = '']) => rest);
    expect(commands.length).toBeGreaterThan(0);
    const {stdout} = await runWith({}, ['build', '--help']);
    for (const [option] of commands.join(' ').matchAll(/--[a-z-]+/g)) expect(stdout).toContain(option);
    for (const [variable] of text.matchAll(/HYPRIOTKIT_CACHE_(?:FROM|TO|TRUST|SIGN)\b/g)) {
      expect(stdout.replaceAll(/\s+/g, '')).toContain(variable);
    }
  });
});

it('the GitHub workflow lets pull requests read and nothing else', () => {
  const {jobs} = parse(read('github-actions.yml')) as {
    jobs: {build: {env: Record<string, string>; steps: {if?: string; env?: Record<string, string>}[]}};
  };
  expect(jobs.build.env).not.toHaveProperty('HYPRIOTKIT_CACHE_TO');
  const writing = jobs.build.steps.filter(({env = {}}) => 'HYPRIOTKIT_CACHE_TO' in env);
  expect(writing.map((step) => step.if)).toEqual(["github.event_name == 'push'"]);
  const to = (writing[0]?.env?.['HYPRIOTKIT_CACHE_TO'] ?? '').replace(/\$\{\{.*?\}\}/, 'team/app');
  expect(parseCacheOptions({}, {HYPRIOTKIT_CACHE_TO: to}).to[0]?.mode).toBe('max');
});

it('the private registry can be cleaned', () => {
  const {services} = parse(read('docker-compose.yml')) as {
    services: {registry: {environment: Record<string, string>}};
  };
  expect(services.registry.environment['REGISTRY_STORAGE_DELETE_ENABLED']).toBe('true');
});
