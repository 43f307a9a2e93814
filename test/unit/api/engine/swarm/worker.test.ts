import {execFile} from 'node:child_process';
import {writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {promisify} from 'node:util';
import fc from 'fast-check';
import {describe, expect, it} from 'vitest';
import {workerFormat} from '../../../../../api/engine/swarm/worker-job.ts';
import {parseWorkerLine, type WorkerLine} from '../../../../../api/engine/swarm/worker-report.ts';
import {swarmFailure} from '../../../../../api/pipeline/swarm-failure.ts';
import {packageRoot} from '../../../../../configs/package-root.ts';
import {makeTempFolder} from '../../temp-folder.ts';

const run = promisify(execFile);

/** What the worker's program says to a job. */
async function tellWorker(job: object): Promise<readonly WorkerLine[]> {
  const file = join(await makeTempFolder(), 'job');
  await writeFile(file, JSON.stringify(job));
  const {stderr} = await run('perl', [join(packageRoot(), 'build-images/swarm_worker/worker'), file]);
  return stderr.trim().split('\n').map(parseWorkerLine);
}

describe('the worker of a swarm', () => {
  it('refuses a job of another version, and both are named', async () => {
    const [line] = await tellWorker({format: workerFormat + 1, version: '9.9.9'});
    if (line?.kind !== 'ended') throw new Error('it did not end');
    const step = {name: 'root_fs', memoryBytes: 1};
    expect(swarmFailure(step, {kind: 'said', node: 'a', end: line.end}, [])).toMatchObject({
      step: 'root_fs',
      message: `its worker understands jobs of version ${workerFormat}, and this hypriotkit (9.9.9) writes version ${workerFormat + 1}`,
    });
  });

  it('takes every line for output that the worker does not say in its own words', () => {
    fc.assert(
      fc.property(fc.string(), (line) => {
        fc.pre(!line.startsWith('::worker progress '));
        expect(parseWorkerLine(line)).toEqual({kind: 'output', line});
      }),
    );
    for (const line of [
      '::worker ended',
      '::worker ended {',
      '::worker ended {"status":"x"}',
      '::worker other',
    ]) {
      expect(parseWorkerLine(line)).toEqual({kind: 'output', line});
    }
  });

  it('reports how it ended', () => {
    expect(parseWorkerLine('::worker ended {"built":true,"status":0}')).toEqual({
      kind: 'ended',
      end: {status: 0, built: true},
    });
    expect(parseWorkerLine('::worker progress running')).toEqual({kind: 'progress', message: 'running'});
  });

  it('is not blamed for nodes that cannot emulate', () => {
    const step = {name: 'root_fs', memoryBytes: 1, executes: 'arm64'};
    const failure = swarmFailure(step, {kind: 'no-node', unable: ['a', 'b']}, []);
    expect(failure.message).toBe('no node of the swarm can run arm64 programs (tried a, b)');
    expect(failure.hint).toContain('qemu-user-static');
  });
});
