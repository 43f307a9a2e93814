import {describe, expect, it} from 'vitest';
import {ImageOperationError} from '../../../../api/docker/images.ts';
import {PipelineError} from '../../../../api/errors.ts';
import {classifyError, classifyExit} from '../../../../api/pipeline/classify-failure.ts';
import {VolumeScriptError} from '../../../../volumes/volume-host.ts';

const MiB = 1024 ** 2;
const exit = (status: number, tail: readonly string[] = [], outOfMemory = false) =>
  classifyExit('root_fs', {status, outOfMemory}, 512 * MiB, tail);

describe('classifyExit', () => {
  it('says the status when nothing else is known', () => {
    expect(exit(100, ['a', 'b'])).toEqual({
      reason: 'exited-non-zero',
      step: 'root_fs',
      message: 'the container ended with exit status 100',
      status: 100,
      tail: ['a', 'b'],
    });
  });

  it('takes code, message and hint from what the script said, and does not show those lines', () => {
    expect(
      exit(1, [
        'Err: http://x',
        '::error MIRROR_UNREACHABLE the mirror http://x does not answer',
        '::hint check root_fs.mirror',
      ]),
    ).toEqual({
      reason: 'exited-non-zero',
      step: 'root_fs',
      message: 'the mirror http://x does not answer',
      hint: 'check root_fs.mirror',
      code: 'MIRROR_UNREACHABLE',
      status: 1,
      tail: ['Err: http://x'],
    });
  });

  it('takes the last of several', () => {
    const failure = exit(1, ['::error A first', '::hint one', '::error B second', '::hint two']);
    expect(failure).toMatchObject({code: 'B', message: 'second', hint: 'two'});
  });

  it('takes a line that only looks like one for output', () => {
    const lines = ['x ::error A b', '::errors A b', '::error', '::error A'];
    expect(exit(1, lines)).toMatchObject({message: 'the container ended with exit status 1'});
    expect(exit(1, lines)).not.toHaveProperty('code');
  });

  it.each([
    'dpkg: error: failed to write: No space left on device',
    'zstd: error 70 : Write error : cannot write block : no space left on device',
    'cp: error writing x: Disk quota exceeded',
  ])('knows a full disk by %j', (line) => {
    expect(exit(1, ['a', line, 'b'])).toMatchObject({
      reason: 'storage-full',
      step: 'root_fs',
      tail: ['a', line, 'b'],
    });
  });

  it('believes a script that names its reason more than a line in its log', () => {
    const failure = exit(1, ['No space left on device', '::error IMAGE_TOO_SMALL raise blank_image.size']);
    expect(failure).toMatchObject({reason: 'exited-non-zero', code: 'IMAGE_TOO_SMALL'});
  });

  it('names the limit when the memory was used up, whatever the log says', () => {
    expect(exit(137, ['::error A b', 'x', 'No space left on device'], true)).toMatchObject({
      reason: 'out-of-memory',
      message: 'the container needed more than its 512 MiB of memory and was killed',
      limitBytes: 512 * MiB,
      tail: ['x', 'No space left on device'],
    });
  });
});

describe('classifyError', () => {
  it.each<[string, unknown, Record<string, unknown>]>([
    [
      'a Dockerfile that fails',
      new ImageOperationError('returned a non-zero code: 100', ['E: x']),
      {
        reason: 'image-build-failed',
        message: 'its build image cannot be built: returned a non-zero code: 100',
        tail: ['E: x'],
      },
    ],
    [
      'a Dockerfile that fills the disk',
      new ImageOperationError('write /x: no space left on device', ['E: x']),
      {reason: 'storage-full', tail: ['E: x']},
    ],
    [
      'an error with a hint',
      new PipelineError('BINFMT_UNAVAILABLE', 'no emulator', {hint: 'register one'}),
      {reason: 'engine-failed', message: 'no emulator', hint: 'register one'},
    ],
    [
      'a full volume',
      new VolumeScriptError(1, 'mv: cannot move: No space left on device\n'),
      {reason: 'storage-full'},
    ],
    [
      'a broken volume',
      new VolumeScriptError(1, 'mv: Input/output error\n'),
      {reason: 'engine-failed', message: 'the volume cannot be used: mv: Input/output error'},
    ],
    [
      'a volume that says nothing',
      new VolumeScriptError(137, ''),
      {reason: 'engine-failed', message: expect.stringContaining('137') as string},
    ],
    [
      'an answer of the engine',
      Object.assign(new Error('(HTTP code 500) boom'), {statusCode: 500}),
      {reason: 'engine-failed', message: 'the engine refused a request: (HTTP code 500) boom'},
    ],
    [
      'an engine without space',
      Object.assign(new Error('(HTTP code 500) mkdir /var/lib/docker: no space left on device'), {
        statusCode: 500,
      }),
      {reason: 'storage-full'},
    ],
    [
      'an engine that goes away',
      Object.assign(new Error('socket hang up'), {code: 'ECONNRESET'}),
      {reason: 'engine-failed', message: 'the engine refused a request: socket hang up'},
    ],
  ])('explains %s', (_, error, failure) => {
    expect(classifyError('root_fs', error)).toMatchObject({step: 'root_fs', ...failure});
  });

  it.each([new TypeError('x is not a function'), 'text', undefined, null, {statusCode: 500}])(
    'leaves alone what only we can have got wrong: %s',
    (error) => {
      expect(classifyError('root_fs', error)).toBeUndefined();
    },
  );
});
