import type {Step} from '../components/step.ts';
import {matchesOutput} from './match-outputs.ts';
import type {Selection} from './select-steps.ts';
import type {Needed} from './team-cache.ts';

/** Whether a step is of a component that was asked for. */
export function isRequested({requested}: Selection, {component}: Step): boolean {
  return requested.includes(component);
}

/** Whether a file is delivered with its step. */
export function isDelivered({outputs}: Step, name: string): boolean {
  return outputs.some((output) => output.delivered && matchesOutput(output.name, name));
}

/** By step, what a registry must have of it: the files that are delivered; of the others the digests are enough. */
export function filesNeeded(selection: Selection): (step: string) => Needed {
  const delivered = new Map(
    selection.steps.filter((step) => isRequested(selection, step)).map((step) => [step.name, step]),
  );
  return (name) => {
    const step = delivered.get(name);
    if (step === undefined) return () => true;
    return ({entry, held}) =>
      entry.files.every((file) => held.has(file.name) || !isDelivered(step, file.name));
  };
}
