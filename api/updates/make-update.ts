import type {UpdateWork} from '../components/update-work.ts';
import {unreachable} from '../errors.ts';
import {makeAgentBundle} from './make-agent-bundle.ts';
import {makeImage} from './make-image.ts';
import {makeLegacy} from './make-legacy.ts';
import {makeOffline} from './make-offline.ts';
import type {UpdateRequest} from './update-request.ts';

/**
 * Makes the files of one output of ota-bundler. The same request gives the same bytes: signatures take their nonce from
 * key and message (RFC 6979).
 *
 * @returns names of the files that are now in the folder.
 * @throws {OtaError} and PipelineError, ConfigError for what is wrong in an input.
 */
export async function makeUpdate(work: UpdateWork, request: UpdateRequest): Promise<readonly string[]> {
  switch (work.kind) {
    case 'image':
      return makeImage(work, request);
    case 'legacy':
      return makeLegacy(work, request);
    case 'offline':
      return makeOffline(work, request);
    case 'agent-bundle':
      return makeAgentBundle(work, request);
    default:
      return unreachable(work);
  }
}
