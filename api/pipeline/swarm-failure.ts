import type {Step} from '../components/step.ts';
import type {JobEnd} from '../engine/swarm/run-job.ts';
import type {WorkerEnd} from '../engine/swarm/worker-report.ts';
import {unreachable} from '../errors.ts';
import type {StepFailure} from '../events/step-failure.ts';
import {classifyExit} from './classify-failure.ts';
import {missingOutputs, wrongCompanion} from './collect-outputs.ts';

/** Why a swarm has not made a step. */
export function swarmFailure(
  step: Pick<Step, 'name' | 'memoryBytes' | 'executes'>,
  end: Exclude<JobEnd, {kind: 'proven' | 'elsewhere'}>,
  tail: readonly string[],
): StepFailure {
  switch (end.kind) {
    case 'no-node':
      return {reason: 'engine-failed', step: step.name, ...noNode(step, end.unable)};
    case 'lost':
      return {
        reason: 'engine-failed',
        step: step.name,
        message: `the swarm has not made it: ${end.why}`,
        hint: 'Its nodes must reach the registry under the name that --registry has; docker service ls and docker node ls show more.',
      };
    case 'said':
      return saidFailure(step, end.end, tail);
    default:
      return unreachable(end);
  }
}

function saidFailure(
  step: Pick<Step, 'name' | 'memoryBytes' | 'executes'>,
  end: WorkerEnd,
  tail: readonly string[],
): StepFailure {
  const {name} = step;
  if ('outOfMemory' in end) return classifyExit(name, end, step.memoryBytes, tail);
  if ('missing' in end) return missingOutputs(name, end.missing, end.present);
  if ('corrupt' in end) return wrongCompanion(name, end.corrupt);
  if (!('refused' in end)) {
    return {reason: 'engine-failed', step: name, message: 'its worker made it, and the registry has lost it'};
  }
  switch (end.refused) {
    case 'no_emulation':
      return {reason: 'engine-failed', step: name, ...noNode(step, [])};
    case 'unauthorized':
      return {
        reason: 'engine-failed',
        step: name,
        message: 'the registry wants its worker to log in',
        hint: 'docker login to the registry first: the workers get the same credentials.',
      };
    case 'wrong_version':
      return {
        reason: 'engine-failed',
        step: name,
        message: `its worker understands jobs of version ${end.worker}, and this hypriotkit (${end.version}) writes version ${end.client}`,
        hint: 'Use the same hypriotkit everywhere, or let this one bring its own worker.',
      };
    default:
      return unreachable(end);
  }
}

function noNode(
  {executes}: Pick<Step, 'executes'>,
  tried: readonly string[],
): {message: string; hint: string} {
  if (tried.length === 0) {
    return {message: 'no node of the swarm is ready', hint: '`docker node ls` shows their state.'};
  }
  const names = tried.join(', ');
  return {
    message: `no node of the swarm can run ${executes ?? ''} programs (tried ${names})`,
    hint: 'A service may not register emulators: apt-get install qemu-user-static on the nodes, or add one of that architecture.',
  };
}
