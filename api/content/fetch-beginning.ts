import {Web, withoutSecrets} from '../download/web.ts';
import {defaultPatience} from '../download/patience.ts';
import {PipelineError} from '../errors.ts';

/**
 * The first bytes of what lies at an address, no more than `mostBytes`; a server that knows no ranges is stopped after them.
 *
 * @throws PipelineError `DOWNLOAD_FAILED`
 */
export async function fetchBeginning(url: string, mostBytes: number, signal: AbortSignal): Promise<Buffer> {
  const failed = (why: string, cause?: unknown) =>
    new PipelineError('DOWNLOAD_FAILED', `${withoutSecrets(url)} cannot be had: ${why}`, {cause});
  await using web = new Web(defaultPatience.stallMs);
  try {
    const answer = await web.ask(url, {signal, headers: {range: `bytes=0-${mostBytes - 1}`}});
    try {
      // An empty file has no range.
      if (answer.status === 416) return Buffer.alloc(0);
      if (answer.status !== 200 && answer.status !== 206) throw failed(`the server answers ${answer.status}`);
      const pieces: Buffer[] = [];
      let received = 0;
      for await (const piece of answer.body) {
        pieces.push(Buffer.from(piece));
        if ((received += piece.length) >= mostBytes) break;
      }
      return Buffer.concat(pieces).subarray(0, mostBytes);
    } finally {
      answer.discard();
    }
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof PipelineError) throw error;
    const {code, message} = error as NodeJS.ErrnoException;
    throw failed(code ?? message, error);
  }
}
