import {basename, dirname} from 'node:path';
import {PipelineError} from '../errors.ts';
import {runProgram} from '../run-program.ts';

/** A file system inside a file. */
export interface FileSystemPlace {
  readonly path: string;
  /** 0 when the file is nothing but the file system. */
  readonly startBytes: number;
}

/** Programs of e2fsprogs on a file, with one time for everything that they write down. */
export class E2fs {
  readonly #now: number;
  readonly #signal: AbortSignal;

  constructor(now: number, signal: AbortSignal) {
    this.#now = now;
    this.#signal = signal;
  }

  /**
   * Checks that the programs are there.
   *
   * @throws PipelineError `TOOL_MISSING`
   */
  static async require(): Promise<void> {
    const found = await Promise.all(
      ['e2fsck', 'resize2fs'].map(async (program) => ({program, ...(await runProgram(program, ['-V']))})),
    );
    const missing = found.filter(({status}) => status === 'ENOENT').map(({program}) => program);
    if (missing.length === 0) return;
    throw new PipelineError(
      'TOOL_MISSING',
      `${missing.join(' and ')} of e2fsprogs ${missing.length > 1 ? 'are' : 'is'} needed and not there`,
      {
        hint: 'On Debian: apt-get install e2fsprogs.',
      },
    );
  }

  /**
   * Checks a file system and repairs it, as a device does at its start.
   *
   * @returns whether something had to be repaired.
   * @throws PipelineError `IMAGE_UNUSABLE`
   */
  async repair(place: FileSystemPlace): Promise<boolean> {
    const {status, stdout, stderr} = await this.#run('e2fsck', ['-f', '-y'], place);
    if (status === 0 || status === 1 || status === 2) return status !== 0;
    throw new PipelineError('IMAGE_UNUSABLE', 'the data partition of the base is damaged beyond repair', {
      hint: `Get the base anew. e2fsck says:\n${lastLines(stdout + stderr)}`,
    });
  }

  /** Gives large folders a hash tree. */
  async indexFolders(place: FileSystemPlace): Promise<void> {
    const {status, stdout, stderr} = await this.#run('e2fsck', ['-f', '-y', '-D'], place);
    if (status !== 0 && status !== 1) throw this.#notSound(stdout + stderr);
  }

  /**
   * Checks a file system that was written here: nothing may be wrong.
   *
   * @throws PipelineError `BUILD_FAILED`
   */
  async verify(place: FileSystemPlace): Promise<void> {
    const {status, stdout, stderr} = await this.#run('e2fsck', ['-f', '-n'], place);
    if (status !== 0) throw this.#notSound(stdout + stderr);
  }

  /** Grows a file system that fills its file alone: with an offset, resize2fs would cut the file at its own size. */
  async fillFile(path: string): Promise<void> {
    const {status, stdout, stderr} = await this.#run('resize2fs', ['-f'], {path, startBytes: 0});
    if (status === 0) return;
    throw new PipelineError('IMAGE_UNUSABLE', 'the data partition of the base cannot be made larger', {
      hint: `resize2fs says:\n${lastLines(stdout + stderr)}`,
    });
  }

  async #run(program: string, args: readonly string[], {path, startBytes}: FileSystemPlace) {
    // A question mark starts options of e2fsprogs, also in the name of a folder.
    const name = `./${basename(path)}${startBytes === 0 ? '' : `?offset=${startBytes}`}`;
    const time = String(this.#now);
    const result = await runProgram(program, [...args, name], {
      cwd: dirname(path),
      env: {
        E2FSPROGS_FAKE_TIME: time,
        SOURCE_DATE_EPOCH: time,
        E2FSCK_TIME: time,
        E2FSCK_CONFIG: '/dev/null',
      },
      signal: this.#signal,
    });
    this.#signal.throwIfAborted();
    return result;
  }

  #notSound(output: string): PipelineError {
    return new PipelineError('BUILD_FAILED', 'the file system of the new image is not sound', {
      hint: `This is a defect of hypriotkit. e2fsck says:\n${lastLines(output)}`,
    });
  }
}

function lastLines(text: string): string {
  return text.trim().split('\n').slice(-12).join('\n');
}
