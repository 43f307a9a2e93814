import {readdir, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {describe, expect, test} from 'vitest';
import {PipelineError, type ErrorCode} from '../../../api/errors.ts';
import {createContext} from '../../../cli/context.ts';
import {contentExitCode} from '../../../cli/end-content-run.ts';
import {Interrupt} from '../../../cli/interrupt.ts';
import {runImageCreator} from '../../../cli/run-image-creator.ts';
import {ConfigError} from '../../../configs/config-error.ts';
import {makeBase} from '../api/content/rig.ts';
import {makeTempFolder} from '../api/temp-folder.ts';
import {FakeProcess, runWith} from './run-command.ts';
import {Collected} from './terminal.ts';

async function prepare(text = 'base: ./base.img\nfiles: [{content: hello, to: /data/x}]\n') {
  const folder = await makeTempFolder();
  await makeBase(join(folder, 'base.img'));
  await writeFile(join(folder, 'image.yaml'), text);
  return {folder, config: join(folder, 'image.yaml'), output: join(folder, 'out.img')};
}

describe('content create', () => {
  test('makes an image, says what is in it, and ends with 0', async () => {
    const {config, output} = await prepare();
    const {stdout, stderr, exitCode} = await runWith({}, ['content', 'create', config, output]);
    expect([exitCode, stdout]).toEqual([0, expect.stringMatching(/5 B\s+\/data\/x\n.*out\.img {2}/)]);
    expect(stderr).toContain('checked the file system');
  });

  test('prints events and the result as JSON', async () => {
    const {config, output} = await prepare();
    const {stdout} = await runWith({}, ['content', 'create', config, output, '--json', '-C']);
    const lines = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as {type: string});
    expect(lines[0]).toEqual({type: 'content-phase-started', phase: 'check'});
    expect(lines.at(-1)).toMatchObject({type: 'result', ok: true, isWritten: false, items: [{bytes: 5}]});
  });

  test.each<[number, string, string, readonly string[]]>([
    [1, 'an image that would be too large', 'base: ./base.img', ['--max-size', '1MB']],
    [2, 'an unknown option', 'base: ./base.img', ['--unknown']],
    [2, 'a size that is none', 'base: ./base.img', ['--max-size', 'x']],
    [3, 'a wrong configuration', 'bas: ./base.img', []],
    [3, 'the base as output', 'base: ./out.img', ['-X']],
    [4, 'a base that is not there', 'base: ./none.img', []],
  ])('ends with %i for %s', async (code, _name, text, flags) => {
    const {config, output, folder} = await prepare(text);
    const {exitCode, stderr} = await runWith({}, ['content', 'create', config, output, ...flags]);
    expect(exitCode, stderr).toBe(code);
    expect((await readdir(folder)).sort()).toEqual(['base.img', 'image.yaml']);
  });

  test('ends with 3 for an output that is there, which stays', async () => {
    const {config} = await prepare();
    const {exitCode, stderr} = await runWith({}, ['content', 'create', config, config]);
    expect([exitCode, stderr]).toEqual([3, expect.stringContaining('--overwrite')]);
  });
});

test.each<[ErrorCode, number]>([
  ['TOOL_MISSING', 2],
  ['OUTPUT_UNUSABLE', 3],
  ['NO_SPACE', 1],
  ['DOWNLOAD_FAILED', 1],
  ['IMAGE_UNUSABLE', 1],
  ['CACHE_UNUSABLE', 1],
])('%s ends with %i', (code, status) => {
  expect(contentExitCode(new PipelineError(code, 'x'))).toBe(status);
});

test('a policy that is wrong ends with 1, as does a configuration that cannot be read', () => {
  expect(contentExitCode(new ConfigError('CONFIG_INVALID', [{file: '/c/policy.yaml', message: 'x'}]))).toBe(
    1,
  );
  expect(contentExitCode(new ConfigError('CONFIG_UNREADABLE', [{file: '/c/image.yaml', message: 'x'}]))).toBe(
    1,
  );
  expect(contentExitCode(new Error('a defect'))).toBe(1);
});

test('content schema prints a JSON Schema', async () => {
  const {stdout} = await runWith({}, ['content', 'schema']);
  expect(JSON.parse(stdout)).toMatchObject({title: 'hypriotkit content image', required: ['base']});
});

describe('image-creator', () => {
  test('is the same command under the name of the reference', async () => {
    const {config, output} = await prepare();
    const run = async (...argv: string[]) => {
      const [stdout, stderr] = [new Collected(), new Collected()];
      let code = 0;
      const context = createContext({
        stdout,
        stderr,
        env: {},
        interrupt: new Interrupt(new FakeProcess()),
        setExitCode: (given) => {
          code = given;
        },
      });
      await runImageCreator(argv, context);
      return {code, stdout: stdout.text, stderr: stderr.text};
    };
    expect(await run(config, output, '-C', '-T', '1', '-D')).toMatchObject({code: 0});
    expect(await run('--version')).toMatchObject({code: 0, stdout: expect.stringMatching(/^\d/) as string});
    expect(await run(config)).toMatchObject({code: 2});
    expect(await run(config, config)).toMatchObject({code: 3});
  });
});
