import type {Step} from '../components/step.ts';
import type {ContainerSpec, VolumeMount} from '../docker/containers.ts';
import {label} from '../docker/labels.ts';
import type {RunContext} from './run-context.ts';

/** Processes and threads that a step may have: apt, dpkg and a compressor with a thread for each core stay far below. */
const processLimit = 4096;

/** Of processor time, where others want it, too; a container has 1024 usually. */
const backgroundShares = 64;

/**
 * The CPU that qemu emulates, by Debian architecture; each has models of its own and refuses to start with another's.
 * That of arm64 is one without pointer authentication: emulating it makes every function call up to 18 times slower.
 */
const emulatedCpus: Readonly<Record<string, string>> = {
  arm64: 'cortex-a72',
  armhf: 'cortex-a7',
  mips: '24Kf',
};

/** The container of a step, as `docs/build-images.md` promises it to the step's script. */
export function stepContainer(
  step: Step,
  given: {
    readonly name: string;
    readonly image: string;
    readonly mounts: readonly VolumeMount[];
    /** What is known only now: names of input files. */
    readonly variables: Readonly<Record<string, string>>;
  },
  {session, epoch, offline, privileged}: Pick<RunContext, 'session' | 'epoch' | 'offline' | 'privileged'>,
): ContainerSpec {
  const {variables, ...container} = given;
  return {
    ...container,
    command: step.command,
    environment: {...stepEnvironment(step, epoch), ...variables},
    // Hypriot's scripts start where their image says.
    ...(step.hypriot === undefined && {workingDirectory: '/workspace'}),
    network: step.network && !offline ? 'bridge' : 'none',
    labels: {...session.labels('step'), [label.step]: step.name},
    memoryBytes: step.memoryBytes,
    pids: processLimit,
    ...(step.background && {cpuShares: backgroundShares}),
    ...(step.hypriot !== undefined && privileged.has(step.component) && {privileged: true}),
  };
}

/** What every step is told, wherever it runs. */
export function stepEnvironment(step: Step, epoch: number): Readonly<Record<string, string>> {
  return {
    SOURCE_DATE_EPOCH: String(epoch),
    LC_ALL: 'C.UTF-8',
    TZ: 'UTC',
    QEMU_CPU: emulatedCpus[step.executes ?? 'arm64'] ?? 'max',
    DEBIAN_FRONTEND: 'noninteractive',
    ...Object.fromEntries(step.settings.map(({variable, value}) => [variable, value])),
  };
}
