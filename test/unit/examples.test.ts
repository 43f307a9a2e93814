import {execFileSync} from 'node:child_process';
import {mkdirSync, readFileSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {afterEach, describe, expect, it, vi} from 'vitest';
import {parse} from 'yaml';
import {z} from 'zod';
import {loadCacheSigningKey, loadTrustedKey} from '../../api/pipeline/cache-signature.ts';
import {parseCacheOptions} from '../../api/pipeline/cache-options.ts';
import {ArtifactRepository} from '../../api/registry/artifact-repository.ts';
import {credentialsFromFiles} from '../../api/registry/credentials.ts';
import {digestOf} from '../../api/registry/manifest.ts';
import {parseRepository} from '../../api/registry/repository-name.ts';
import {DockerRegistry} from '../registry/docker-registry.ts';
import {makeTempFolder} from './api/temp-folder.ts';
import {runWith} from './cli/run-command.ts';

const readRoot = (path: string) =>
  readFileSync(fileURLToPath(new URL(`../../${path}`, import.meta.url)), 'utf8');
const read = (name: string) => readRoot(`examples/teams/${name}`);

afterEach(() => vi.unstubAllEnvs());

/** The keys of a GitHub workflow that are used here; any other is a slip of the pen. */
const Workflow = z.strictObject({
  name: z.string(),
  on: z.strictObject({push: z.strictObject({branches: z.array(z.string())}), pull_request: z.null()}),
  permissions: z.record(z.enum(['contents', 'packages']), z.enum(['read', 'write'])),
  concurrency: z.strictObject({group: z.string(), 'cancel-in-progress': z.boolean()}),
  jobs: z.strictObject({
    build: z.strictObject({
      'runs-on': z.string(),
      'timeout-minutes': z.number(),
      env: z.record(z.string(), z.string()),
      steps: z.array(
        z.union([
          z.strictObject({
            uses: z.string().regex(/^[\w-]+\/[\w-]+@v\d+$/),
            with: z.record(z.string(), z.unknown()).optional(),
          }),
          z.strictObject({
            name: z.string().optional(),
            if: z.string().optional(),
            env: z.record(z.string(), z.string()).optional(),
            run: z.string(),
          }),
        ]),
      ),
    }),
  }),
});

/** The same of a GitLab pipeline. */
const Pipeline = z.strictObject({
  stages: z.array(z.string()),
  image: z.strictObject({
    stage: z.string(),
    image: z.string(),
    services: z.array(z.string()),
    variables: z.record(z.string().regex(/^[A-Z_]+$/), z.string()),
    before_script: z.array(z.string()),
    script: z.array(z.string()),
    artifacts: z.strictObject({paths: z.array(z.string()), expire_in: z.string()}),
  }),
});

const workflow = () => Workflow.parse(parse(read('github-actions.yml')));
const pipeline = () => Pipeline.parse(parse(read('gitlab-ci.yml')));

describe.each(['github-actions.yml', 'gitlab-ci.yml'])('the recipe %s', (name) => {
  it('uses options and variables that there are', async () => {
    const text = read(name);
    const commands = [...text.matchAll(/hypriotkit build (.*)/g)].map(([, rest = '']) => rest);
    expect(commands.length).toBeGreaterThan(0);
    const {stdout} = await runWith({}, ['build', '--help']);
    for (const [option] of commands.join(' ').matchAll(/--[a-z-]+/g)) expect(stdout).toContain(option);
    for (const [variable] of text.matchAll(/HYPRIOTKIT_CACHE_(?:FROM|TO|TRUST|SIGN)\b/g)) {
      expect(stdout.replaceAll(/\s+/g, '')).toContain(variable);
    }
  });

  it('has scripts that a shell understands', () => {
    const scripts =
      name === 'gitlab-ci.yml'
        ? [...pipeline().image.before_script, ...pipeline().image.script]
        : workflow().jobs.build.steps.flatMap((step) => ('run' in step ? [step.run] : []));
    for (const script of scripts) execFileSync('sh', ['-n'], {input: script});
  });
});

describe('the GitHub workflow', () => {
  it('lets pull requests read and nothing else', () => {
    const {env, steps} = workflow().jobs.build;
    expect(env).not.toHaveProperty('HYPRIOTKIT_CACHE_TO');
    const writing = steps.filter((step) => 'run' in step && 'HYPRIOTKIT_CACHE_TO' in (step.env ?? {}));
    expect(writing).toMatchObject([{if: "github.event_name == 'push'"}]);
    const [step] = writing;
    const to = step !== undefined && 'run' in step ? (step.env?.['HYPRIOTKIT_CACHE_TO'] ?? '') : '';
    const choice = parseCacheOptions({}, {HYPRIOTKIT_CACHE_TO: to.replace(/\$\{\{.*?\}\}/, 'team/app')});
    expect(choice.to[0]?.mode).toBe('max');
  });

  it('asks for contexts that GitHub has, and for one secret of its own', () => {
    const names = [...read('github-actions.yml').matchAll(/\$\{\{ (\S+) \}\}/g)].map(([, name]) => name);
    expect(new Set(names)).toEqual(
      new Set([
        'github.ref',
        'github.repository',
        'github.actor',
        'secrets.GITHUB_TOKEN',
        'runner.temp',
        'secrets.HYPRIOTKIT_CACHE_KEY',
      ]),
    );
  });
});

it('the GitLab pipeline logs in so that the registry of the project lets it in', async () => {
  const folder = await makeTempFolder();
  const login = pipeline().image.before_script.filter((line) => !line.startsWith('npm '));
  execFileSync('sh', ['-euc', login.join('\n')], {
    env: {
      PATH: process.env['PATH'],
      DOCKER_CONFIG: folder,
      CI_REGISTRY: 'registry.gitlab.example:5050',
      CI_REGISTRY_USER: 'gitlab-ci-token',
      CI_REGISTRY_PASSWORD:
        'a secret: with a colon, and longer than one line of base64 would be in coreutils',
    },
  });
  expect(await credentialsFromFiles({DOCKER_CONFIG: folder})('registry.gitlab.example:5050')).toEqual({
    username: 'gitlab-ci-token',
    password: 'a secret: with a colon, and longer than one line of base64 would be in coreutils',
  });
});

/** The services of the example, as far as they are used here. */
const Compose = z.strictObject({
  services: z.strictObject({
    registry: z.strictObject({
      image: z.string(),
      restart: z.literal('unless-stopped'),
      ports: z.array(z.string()),
      volumes: z.array(z.string()),
      environment: z.record(z.string().startsWith('REGISTRY_'), z.string()),
    }),
    garbage: z.strictObject({
      image: z.string(),
      profiles: z.array(z.string()),
      volumes: z.array(z.string()),
      command: z.array(z.string()),
    }),
  }),
});

/** The block of a page's commands that has a word. */
function commandsOf(page: string, word: string): string {
  const blocks = [...readRoot(page).matchAll(/^```sh\n(.*?)^```$/gms)].map(([, block = '']) => block);
  return blocks.find((block) => block.includes(word)) ?? '';
}

describe('a private registry', () => {
  it('has its settings from the example, its certificate as the page says, and can be cleaned', async () => {
    const folder = await makeTempFolder();
    for (const name of ['auth', 'certs', 'certs.d', 'data']) mkdirSync(join(folder, name));
    const hash = 'print "ci:", crypt("SECRET", "\\$2y\\$05\\$abcdefghijklmnopqrstuu"), "\\n"';
    writeFileSync(join(folder, 'auth', 'htpasswd'), execFileSync('perl', ['-e', hash]));
    const commands = commandsOf('docs/teams.md', 'openssl req')
      .replaceAll('DNS:registry.example', 'IP:127.0.0.1')
      .replaceAll('/etc/docker/certs.d/registry.example:5000', join(folder, 'authority'))
      .replaceAll('rsa:3072', 'rsa:2048');
    execFileSync('sh', ['-euc', commands], {cwd: join(folder, 'certs'), stdio: 'pipe'});

    const {services} = Compose.parse(parse(read('docker-compose.yml')));
    expect(services.registry.volumes.map((volume) => volume.split(':')[0])).toEqual([
      './data',
      './auth',
      './certs',
    ]);
    expect(services.garbage.volumes[0]).toBe(services.registry.volumes[0]);
    const env = Object.entries(services.registry.environment).map(([name, value]) => [
      name,
      value.replace(/^\/(auth|certs)\//, `${folder}/$1/`),
    ]);
    await using registry = await DockerRegistry.start({
      folder: join(folder, 'data'),
      env: Object.fromEntries(env) as Record<string, string>,
    });
    mkdirSync(join(folder, 'certs.d', registry.host));
    writeFileSync(
      join(folder, 'certs.d', registry.host, 'ca.crt'),
      readFileSync(join(folder, 'authority', 'ca.crt')),
    );
    vi.stubEnv('HYPRIOTKIT_CERTS_D', join(folder, 'certs.d'));
    const connect = (password: string) =>
      new ArtifactRepository(parseRepository(`${registry.host}/team/cache`, 'test'), {
        credentials: () => Promise.resolve({username: 'ci', password}),
      });
    await using stranger = connect('guessed');
    await expect(stranger.readManifest('tag')).rejects.toThrow(/does not let us/);
    await using repository = connect('SECRET');
    const content = Buffer.from('{}');
    expect(await repository.writeBlob(digestOf(content), content)).toBe('sent');
    const config = {mediaType: 'application/test', digest: digestOf(content), size: content.length};
    const mediaType = 'application/vnd.oci.image.manifest.v1+json';
    await repository.writeManifest(
      'tag',
      Buffer.from(JSON.stringify({schemaVersion: 2, mediaType, config, layers: []})),
    );
    const {digest = ''} = (await repository.readManifest('tag')) ?? {};
    expect(await repository.removeManifest(digest)).toBe(true);
    // As the service "garbage" does; its image has its configuration elsewhere.
    const [command = ''] = services.garbage.command;
    const said = execFileSync('docker-registry', [command, join(registry.folder, 'config.yml')], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    expect(said).toContain('2 blobs and 0 manifests eligible for deletion');
  });

  it('is read with keys as the page makes them', async () => {
    const folder = await makeTempFolder();
    mkdirSync(join(folder, 'keys'));
    execFileSync('sh', ['-euc', commandsOf('docs/teams.md', 'openssl ecparam')], {
      cwd: folder,
      stdio: 'pipe',
    });
    const [secret, open] = await Promise.all([
      loadCacheSigningKey(join(folder, 'cache.pem')),
      loadTrustedKey(join(folder, 'keys', 'cache.pub')),
    ]);
    expect(open.id).toBe(secret.id);
  });
});
