import {describe, expect, it} from 'vitest';
import {PipelineError, unreachable, type ErrorCode} from '../../../api/errors.ts';

describe('PipelineError', () => {
  it('carries code, message, hint, cause and failures', () => {
    const cause = new Error('why');
    const failures = [{reason: 'interrupted', step: 'a', message: 'b'}] as const;
    const error = new PipelineError('BUILD_FAILED', 'a failed', {hint: 'try again', cause, failures});
    expect(error).toBeInstanceOf(Error);
    expect(error).toMatchObject({name: 'PipelineError', code: 'BUILD_FAILED', message: 'a failed'});
    expect(error).toMatchObject({hint: 'try again', cause, failures});
    expect(String(error)).toBe('PipelineError: a failed');
  });

  it('has no hint, no cause and no failures when none are given', () => {
    const error = new PipelineError('USAGE', 'x');
    expect(error.hint).toBeUndefined();
    expect(error.failures).toEqual([]);
    expect('cause' in error).toBe(false);
  });

  it.each<[ErrorCode, boolean]>([
    ['USAGE', true],
    ['CONFIG_INVALID', true],
    ['GRAPH_INVALID', true],
    ['ENGINE_UNREACHABLE', true],
    ['ENGINE_TOO_OLD', true],
    ['ENGINE_UNSUITABLE', true],
    ['VOLUME_UNUSABLE', true],
    ['VOLUME_NOT_FOUND', true],
    ['TARGET_UNUSABLE', true],
    ['BINFMT_UNAVAILABLE', false],
    ['IMAGE_UNAVAILABLE', false],
    ['IMAGE_BUILD_FAILED', false],
    ['VOLUME_BUSY', false],
    ['DELIVERY_FAILED', false],
    ['ARTIFACT_CORRUPT', false],
    ['BUILD_FAILED', false],
    ['BOOT_FAILED', false],
    ['INTERRUPTED', false],
  ])('%s: work could not start is %s', (code, couldNotStart) => {
    expect(new PipelineError(code, 'x').couldNotStart).toBe(couldNotStart);
  });
});

describe('unreachable', () => {
  it('shows what got there', () => {
    expect(() => unreachable({type: 'new'} as never)).toThrow('unreachable: {"type":"new"}');
  });
});
