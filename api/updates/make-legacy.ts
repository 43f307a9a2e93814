import type {LegacyWork} from '../components/update-work.ts';
import type {UpdateRequest} from './update-request.ts';

export async function makeLegacy(work: LegacyWork, request: UpdateRequest): Promise<readonly string[]> {
  throw new Error('todo');
}
