import {mkdtemp, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {afterAll, afterEach, beforeAll, beforeEach, describe, expect, it} from 'vitest';
import type {StepFailure} from '../../api/index.ts';
import {runCli, type Exit} from './cli.ts';
import {
  engine,
  leftovers,
  newVolumeName,
  removeTestThings,
  removeVolume,
  testBaseImage,
  testLabels,
  until,
} from './engine.ts';

// The real root_fs.resolve, which must fail fast here: it needs an engine that runs arm64 programs, or may register.

let volume: string;
let folder: string;
beforeAll(testBaseImage);
beforeEach(async () => {
  volume = newVolumeName();
  folder = await mkdtemp(join(tmpdir(), 'hypriotkit-test-mirror-'));
});
afterEach(async () => {
  await removeVolume(volume);
  await rm(folder, {recursive: true});
});
afterAll(removeTestThings);

/** Builds root_fs with a setting that cannot work. */
async function buildWith(settings: object): Promise<{exit: Exit; failure: StepFailure}> {
  const config = join(folder, 'configs.json');
  await writeFile(config, JSON.stringify({root_fs: {image: 'hypriotkit-test/root-fs', ...settings}}));
  const exit = await runCli(['build', 'root_fs', '--json', '--config', config, '--volume', volume]);
  const result = JSON.parse(exit.stdout.trimEnd().split('\n').at(-1) ?? '') as {
    error: {failures: [StepFailure]};
  };
  expect(result).toMatchObject({type: 'result', ok: false, error: {code: 'BUILD_FAILED'}});
  expect(result.error.failures).toHaveLength(1);
  return {exit, failure: result.error.failures[0]};
}

describe('root_fs fails and says why', () => {
  afterEach(async () => {
    expect(await leftovers(volume)).toEqual([]);
  });

  it('when its mirror is down', async () => {
    const mirror = 'http://127.0.0.1:9/debian';
    const {exit, failure} = await buildWith({mirror});

    expect(exit.code).toBe(1);
    expect(failure).toMatchObject({step: 'root_fs.resolve', code: 'MIRROR_UNREACHABLE', status: 1});
    expect(failure.message).toContain(mirror);
    expect(failure.hint).toContain('mirror');
    // A person reads the same.
    expect(exit.stderr).toContain(mirror);
  });

  it('when its mirror drops connections in the middle of a file', async () => {
    const {address, remove} = await startDroppingMirror();
    try {
      const mirror = `http://${address}:8080/debian`;
      const {exit, failure} = await buildWith({mirror});

      expect(exit.code).toBe(1);
      expect(failure).toMatchObject({step: 'root_fs.resolve', code: 'MIRROR_UNREACHABLE'});
      expect(failure.message).toContain(mirror);
    } finally {
      await remove();
    }
  });

  it('when a package does not exist, naming it', async () => {
    const {exit, failure} = await buildWith({packages: ['no-such-package-here']});

    expect(exit.code).toBe(1);
    expect(failure).toMatchObject({step: 'root_fs.resolve', code: 'PACKAGE_NOT_FOUND'});
    expect(failure.message).toContain("'no-such-package-here'");
    expect(failure.hint).toContain('packages and remove_packages of root_fs');
  });
});

/** A web server that promises a megabyte, sends a little and hangs up, in a container that others can reach. */
async function startDroppingMirror(): Promise<{address: string; remove: () => Promise<void>}> {
  const server = `use IO::Socket::INET;
    my $server = IO::Socket::INET->new(LocalPort => 8080, Listen => 5, ReuseAddr => 1) or die $!;
    while (my $client = $server->accept) {
      while (<$client>) { last if /^\\r?$/ }
      print $client "HTTP/1.1 200 OK\\r\\nContent-Length: 1000000\\r\\n\\r\\nOrigin: Debian\\n";
      close $client;
    }`;
  const docker = await engine();
  const container = await docker.createContainer({
    Image: (await testBaseImage()).reference,
    Entrypoint: ['perl', '-e', server],
    Cmd: [],
    Labels: testLabels,
  });
  await container.start();
  const address = await until('an address', async () => {
    const {NetworkSettings: network} = await container.inspect();
    return network.Networks['bridge']?.IPAddress || undefined;
  });
  return {address, remove: () => container.remove({force: true})};
}
