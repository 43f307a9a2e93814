import {label} from '../docker/labels.ts';
import type {EngineSession} from '../engine/session.ts';

/**
 * Waits for the run whose container has a step's name, if there is one. What is left of a dead run is removed.
 *
 * @returns true when another run was making the step, and has ended by now.
 */
export async function waitForOther(
  session: EngineSession,
  name: string,
  progress: (message: string) => void,
  signal: AbortSignal,
): Promise<boolean> {
  const other = await session.containers.findByName(name);
  if (other === undefined) return false;
  const run = other.labels[label.run] ?? '';
  const attendants = await session.containers.list(`${label.run}=${run}`);
  const attendant = attendants.find((found) => found.running && found.labels[label.role] === 'attendant');
  if (attendant === undefined) {
    // Its run is gone; nobody would ever publish what it makes.
    await session.containers.get(other.id).remove();
    return true;
  }
  progress(`waiting for ${other.labels[label.owner] ?? 'another run'}, which is making it`);
  const over = new AbortController();
  const either = AbortSignal.any([signal, over.signal]);
  try {
    // A run that is killed removes nothing: then only the end of its attendant tells.
    await Promise.race([
      session.containers.get(other.id).waitUntilRemoved(either),
      session.containers.get(attendant.id).waitUntilStopped(either),
    ]);
  } finally {
    over.abort();
  }
  return true;
}
