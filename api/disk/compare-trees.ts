import {byteDifference, valueDifference, type Difference} from './difference.ts';
import type {TreeEntry} from './file-system.ts';
import type {Clues} from './guess-cause.ts';

type Tree = ReadonlyMap<string, TreeEntry>;

/** Every difference between two trees of files, in the order of their paths: existence, fields, content. */
export async function* compareTrees(
  before: Tree,
  after: Tree,
  path: readonly string[],
  clues: Clues,
): AsyncGenerator<Difference> {
  const names = [...new Set([...before.keys(), ...after.keys()])].sort((a, b) => (a < b ? -1 : 1));
  for (const name of names) {
    const [old, now] = [before.get(name), after.get(name)];
    const here = [...path, name];
    if (old === undefined || now === undefined) {
      yield valueDifference(here, 'existence', existence(old), existence(now), clues);
      continue;
    }
    // Content first: what is in a file says more about a cause than the time at which it was written.
    if (old.content !== undefined && now.content !== undefined) {
      const difference = await byteDifference(here, old.content, now.content, clues);
      if (difference !== undefined) yield difference;
    }
    for (const field of new Set([...old.fields.keys(), ...now.fields.keys()])) {
      const [a = 'none', b = 'none'] = [old.fields.get(field), now.fields.get(field)];
      if (a !== b) yield valueDifference(here, field, a, b, clues);
    }
  }
}

function existence(entry: TreeEntry | undefined): string {
  return entry === undefined ? 'absent' : (entry.fields.get('type') ?? 'present');
}
