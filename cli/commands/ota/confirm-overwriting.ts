import {PipelineError} from '../../../api/errors.ts';
import type {MediumTarget} from '../../../api/ota/packer/medium-target.ts';
import {confirm} from '../../confirm.ts';
import type {CliContext} from '../../context.ts';
import {formatBytes} from '../../format.ts';

/** Asks before what is on a medium is lost; `option` goes on without a question. */
export const confirmOverwriting =
  (context: CliContext, option: string) =>
  async ({path, kind, sizeBytes}: MediumTarget): Promise<boolean> => {
    // A new file takes nothing away from anybody.
    if (kind === 'file' && sizeBytes === undefined) return true;
    if (!context.stdin.isTTY || !context.stderr.isTTY) {
      throw new PipelineError(
        'USAGE',
        `everything on ${path} would be lost, and there is no terminal to ask on`,
        {hint: `Add ${option} to go on without a question.`},
      );
    }
    return confirm(`everything on ${path} (${formatBytes(sizeBytes ?? 0)}) will be lost; go on?`, context);
  };
