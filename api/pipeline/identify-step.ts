import {createHash} from 'node:crypto';
import {join} from 'node:path';
import type {StoreEntry} from '../../volumes/store-entry.ts';
import type {Step} from '../components/step.ts';
import {buildImageContext} from '../engine/build-image.ts';
import {fingerprint, fingerprintInputs, lockedListInputs, type FingerprintInputs} from './fingerprint.ts';
import type {RunContext} from './run-context.ts';

/** What of a run decides about the identity of its steps. */
export type IdentityContext = Pick<
  RunContext,
  'baseImage' | 'buildImages' | 'epoch' | 'lists' | 'previousLists'
>;

/** What a step is: its fingerprint, and what that was computed from. */
export interface StepIdentity {
  readonly fingerprint: string;
  readonly inputs: FingerprintInputs;
}

/** Computes what identifies a step, given its finished inputs. */
export async function identifyStep(
  step: Step,
  inputs: ReadonlyMap<string, StoreEntry>,
  context: IdentityContext,
): Promise<StepIdentity> {
  const list = context.lists.get(step.name);
  if (list !== undefined) {
    const locked = lockedListInputs(step, list);
    return {fingerprint: fingerprint(locked), inputs: locked};
  }
  // Its settings say the commit or the digests, which are always the same files.
  if (step.checkout !== undefined || step.images !== undefined) {
    const pinned = fingerprintInputs(step, {buildImage: '', baseImage: '', epoch: 0, inputs});
    return {fingerprint: fingerprint(pinned), inputs: pinned};
  }
  // What it is made with is this program: its contract says when that makes something else.
  if (step.client !== undefined) {
    const made = fingerprintInputs(step, {buildImage: '', baseImage: '', epoch: context.epoch, inputs});
    return {fingerprint: fingerprint(made), inputs: made};
  }
  const collected = fingerprintInputs(step, {
    buildImage: await buildImageDigest(step, context),
    baseImage: context.baseImage.identity,
    // What the mirror has does not depend on the time stamps that a user wants.
    epoch: step.resolves ? context.baseImage.archiveDate : context.epoch,
    previousList: context.previousLists.get(step.name),
    inputs,
  });
  return {fingerprint: fingerprint(collected), inputs: collected};
}

/** What the build image is made from. */
async function buildImageDigest(step: Step, {buildImages}: IdentityContext): Promise<string> {
  if (step.repository === undefined) {
    return (await buildImageContext(join(buildImages, step.buildImage))).digest;
  }
  const {commit, folder} = step.repository;
  return createHash('sha256').update(`git ${commit} ${folder}`).digest('hex');
}
