import {label} from '../docker/labels.ts';
import {writeTar} from '../docker/tar.ts';
import {PipelineError} from '../errors.ts';
import {makeProbeProgram} from './probe-program.ts';
import type {EngineSession} from './session.ts';

export interface BinfmtOptions {
  /** False: never register, fail instead. */
  readonly mayRegister: boolean;
  /** Base image: it has the emulators and the script that registers them. */
  readonly image: string;
}

/**
 * Makes sure that containers of this engine can run programs of an architecture, by running one. Registers qemu with
 * the kernel of the engine's machine when they cannot: one container with CAP_SYS_ADMIN, the only one that has more
 * rights than a plain one. It stays until the run ends, because where the machine does not mount binfmt_misc itself
 * the registration lives only as long as the container's mount.
 *
 * @throws PipelineError `BINFMT_UNAVAILABLE`.
 */
export function ensureArchitecture(
  session: EngineSession,
  architecture: string,
  options: BinfmtOptions,
  progress: (message: string) => void,
): Promise<void> {
  if (architecture === session.engine.architecture) return Promise.resolve();
  // Steps that run at the same time need it only once.
  return session.once(`architecture ${architecture}`, () =>
    makeRunnable(session, architecture, options, progress),
  );
}

async function makeRunnable(
  session: EngineSession,
  architecture: string,
  options: BinfmtOptions,
  progress: (message: string) => void,
): Promise<void> {
  if (await canRunArchitecture(session, architecture, options.image)) {
    if (!options.mayRegister || !(await isLent(session))) return;
    await register(session, [], options.image);
    // That run may have ended at this moment.
    if (await canRunArchitecture(session, architecture, options.image)) return;
  }
  const fix = `On the engine's machine: apt-get install qemu-user-static, or run any container that registers binfmt for ${architecture}.`;
  if (!options.mayRegister) {
    throw new PipelineError(
      'BINFMT_UNAVAILABLE',
      `the engine ${session.engine.name} cannot run ${architecture} programs, and registering an emulator is not allowed`,
      {hint: `Leave out --no-register-binfmt. ${fix}`},
    );
  }
  progress(`registering qemu for ${architecture} with the engine's kernel`);
  const said = await register(session, [architecture], options.image);
  if (await canRunArchitecture(session, architecture, options.image)) return;
  throw new PipelineError(
    'BINFMT_UNAVAILABLE',
    `the engine ${session.engine.name} cannot run ${architecture} programs, and registering an emulator failed: ${said}`,
    {hint: session.engine.rootless ? `A rootless engine may not register emulators. ${fix}` : fix},
  );
}

/** Whether another run registers emulators: what it registered may end with it. */
async function isLent(session: EngineSession): Promise<boolean> {
  const found = await session.containers.list(`${label.role}=binfmt`);
  return found.some(({running, labels}) => running && labels[label.run] !== session.runId);
}

/**
 * Runs a tiny program of the architecture in an empty root folder, as a maintainer script is run: that works only when
 * the kernel holds the emulator open (flag F).
 */
export async function canRunArchitecture(
  session: EngineSession,
  architecture: string,
  image: string,
): Promise<boolean> {
  const program = makeProbeProgram(architecture);
  if (program === undefined) return false;
  const container = session.own(
    await session.containers.create({
      image,
      command: ['chroot', '/probe', '/program'],
      network: 'none',
      labels: session.labels('probe'),
    }),
  );
  try {
    await container.writeArchive(
      '/',
      await writeTar([{name: 'probe/program', content: program, mode: 0o755}]),
    );
    const {status} = await container.run(() => undefined);
    return status === 0;
  } finally {
    await container.remove();
  }
}

/**
 * Starts the container that registers emulators, or only keeps what is registered, and returns what it said last; it
 * goes on running until the session closes.
 */
async function register(
  session: EngineSession,
  architectures: readonly string[],
  image: string,
): Promise<string> {
  const container = session.own(
    await session.containers.create({
      image,
      command: ['/usr/lib/hypriotkit/register-binfmt.sh', ...architectures],
      network: 'none',
      stdin: true,
      extraCapabilities: ['SYS_ADMIN'],
      unconfined: true,
      labels: {...session.labels('binfmt'), [label.step]: architectures.join(' ')},
    }),
  );
  const {input, output} = await container.attachConsole();
  session.hold(input);
  await container.start();
  // Read by listener and not in a loop: leaving a loop would close the stream, and with it the container's stdin.
  return new Promise((resolve) => {
    let text = '';
    output.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      if (/^ready$/m.test(text)) resolve('it said that it had registered it');
    });
    output.once('close', () => resolve(text.trim().split('\n').at(-1) ?? ''));
    output.once('end', () => resolve(text.trim().split('\n').at(-1) ?? ''));
  });
}
