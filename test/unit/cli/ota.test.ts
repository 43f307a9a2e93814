import {existsSync, readFileSync} from 'node:fs';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {describe, expect, it} from 'vitest';
import {ExitCode} from '../../../cli/exit-code.ts';
import {createContext} from '../../../cli/context.ts';
import {Interrupt} from '../../../cli/interrupt.ts';
import {runOtaImageTools} from '../../../cli/run-ota-image-tools.ts';
import {makeTempFolder} from '../api/temp-folder.ts';
import {FakeProcess, runWith} from './run-command.ts';
import {Collected} from './terminal.ts';

const sample = fileURLToPath(new URL('../../fixtures/ota-v1/', import.meta.url));
const artifact = join(sample, 'main-dev.zip');
const manifest = 'sha256:c92c59861d5ff19b0e0cf67bd8aca9782060ef622a88f9ce312a6468a70cc042';

const ota = (...argv: string[]) => runWith({}, ['ota', ...argv]);

/** Runs the alias in this process. */
async function alias(...argv: string[]) {
  const [stdout, stderr] = [new Collected(), new Collected()];
  let exitCode: ExitCode = ExitCode.Done;
  const interrupt = new Interrupt(new FakeProcess());
  const setExitCode = (code: ExitCode) => (exitCode = code);
  await runOtaImageTools(argv, createContext({stdout, stderr, env: {}, interrupt, setExitCode}));
  return {stdout: stdout.text, stderr: stderr.text, exitCode};
}

describe('hypriotkit ota', () => {
  it('lists an image in the form of the reference', async () => {
    const {stdout, exitCode} = await ota('list-image', artifact);
    expect(exitCode).toBe(0);
    expect(stdout.split('\n')).toEqual([
      `OTA image artifact: ${artifact}`,
      '------------------ OTA image payloads ------------------',
      "idx=0\tecu_id='main'\tota_release_key='dev'",
      '-'.repeat(57),
      '',
    ]);
  });

  it('prints index, manifest, config and blobs', async () => {
    const index = JSON.parse((await ota('inspect-index', artifact)).stdout) as {schemaVersion: number};
    expect(index.schemaVersion).toBe(2);
    const looked = JSON.parse((await ota('lookup-image', '--ecu-id', 'main', artifact)).stdout) as unknown;
    const blob = JSON.parse((await ota('inspect-blob', '--checksum', manifest, artifact)).stdout) as unknown;
    expect(looked).toEqual(blob);
    const config = await ota('lookup-image', '--ecu-id', 'main', '--image-config', artifact);
    expect(JSON.parse(config.stdout)).toMatchObject({architecture: 'x86_64'});
  });

  it('saves blobs and tables', async () => {
    const folder = await makeTempFolder();
    const saved = (name: string) => readFileSync(join(folder, name)).subarray(0, 15).toString('latin1');
    await ota('get-filetable', '--ecu-id', 'main', '-o', join(folder, 'f'), artifact);
    await ota('get-resourcetable', '-o', join(folder, 'r'), artifact);
    await ota('inspect-blob', '--checksum', manifest, '-o', join(folder, 'b'), artifact);
    expect([saved('f'), saved('r'), saved('b')]).toEqual([
      'SQLite format 3',
      'SQLite format 3',
      '{"config":{"siz',
    ]);
  });

  it('verifies, and warns when nobody is trusted', async () => {
    const trusted = await ota('verify-sign', '--ca-dir', join(sample, 'ca'), artifact);
    expect([trusted.exitCode, trusted.stderr]).toEqual([0, '']);
    expect(trusted.stdout).toContain('Verified index.jwt claims:\n{\n  "iat": 1795191665,');
    expect((await ota('verify-sign', artifact)).stderr).toMatch(/^warning: no --ca-dir/);
    const resources = await ota('verify-resources', artifact);
    expect([resources.exitCode, resources.stdout]).toEqual([0, 'Total 11 blobs are verified.\n']);
  });

  it('deploys, and not where something is', async () => {
    const rootfs = join(await makeTempFolder(), 'root');
    const argv = [
      'deploy-image',
      '-i',
      artifact,
      '--ecu-id',
      'main',
      '-o',
      rootfs,
      '--ca-dir',
      join(sample, 'ca'),
    ];
    const first = await ota(...argv);
    expect([first.exitCode, first.stdout]).toEqual([0, '']);
    expect(existsSync(join(rootfs, 'etc/hostname'))).toBe(true);
    const second = await ota(...argv);
    expect([second.exitCode, second.stderr]).toEqual([
      1,
      `error: ${rootfs} already exists!\n  hint: deploy to a folder that is new\n`,
    ]);
  });

  it('gives --json', async () => {
    const list = JSON.parse((await ota('list-image', '--json', artifact)).stdout) as unknown;
    expect(list).toMatchObject({
      payloads: [{ecuId: 'main', releaseKey: 'dev', digest: manifest}],
      skipped: [],
    });
    const resources = await ota('verify-resources', '--json', artifact);
    expect(JSON.parse(resources.stdout)).toMatchObject({blobs: 11, isSound: true});
  });

  it.each([
    [['lookup-image', '--ecu-id', 'other', artifact], 1, 'no payload for ecu_id="other"'],
    [['list-image', '/does/not/exist'], 1, 'does not exist'],
    [['verify-resources', '--blob-checksum', '0'.repeat(64), artifact], 1, ''],
    [['inspect-blob', '--checksum', 'c92c', artifact], 2, 'Not a valid checksum'],
    [['deploy-image', '-i', artifact], 2, "required option '--ecu-id <id>' not specified"],
    [
      ['lookup-image', '--ecu-id', 'main', '--release-key', 'test', artifact],
      2,
      'Allowed choices are dev, prd',
    ],
  ])('%j ends with %i', async (argv, exitCode, message) => {
    const result = await ota(...argv);
    expect(result.exitCode).toBe(exitCode);
    expect(result.stderr).toContain(message);
  });
});

describe('ota-image-tools', () => {
  it('prints the same results', async () => {
    expect(await alias('-d', 'list-image', artifact)).toEqual(await ota('list-image', artifact));
  });

  it('without a command asks for one, and that is no failure', async () => {
    const {stdout, exitCode} = await alias();
    expect([stdout.startsWith('Please specify subcommand.\nUsage: ota-image-tools'), exitCode]).toEqual([
      true,
      0,
    ]);
  });

  it('prints its errors as ERR with 1, and wrong usage with 2', async () => {
    expect(await alias('lookup-image', '--ecu-id', 'x', artifact)).toEqual({
      stdout: '',
      stderr: 'ERR: The image has no payload for ecu_id="x", release key "dev"\n',
      exitCode: 1,
    });
    expect((await alias('list-image')).exitCode).toBe(2);
    expect((await alias('no-such-command')).exitCode).toBe(2);
    expect((await alias('--help')).exitCode).toBe(0);
  });
});
