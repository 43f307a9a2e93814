import {spawn} from 'node:child_process';
import {defaultConfigs} from '../../configs/default-configs.ts';
import {PipelineError} from '../errors.ts';
import type {DoctorCheck, DoctorOptions} from '../options.ts';
import {parseRepository} from '../registry/repository-name.ts';
import {findAnyBaseImage, findBaseImage} from './base-image.ts';
import {baseSuite} from './build-base-image.ts';
import {canRunArchitecture} from './binfmt.ts';
import {openSession} from './open-session.ts';
import type {EngineSession} from './session.ts';
import {checkSwarm} from './swarm/check-swarm.ts';

/** Less memory than this, and the largest step may be killed. */
const wantedMemoryBytes = 3 * 1024 ** 3;

/**
 * Looks at everything that a build needs and says for each what to do when it is missing. Changes nothing, but that with
 * `engine: 'swarm'` every node fetches an image of nothing from the registry.
 *
 * @throws PipelineError `USAGE` for a registry whose name is none.
 */
export async function doctor(options: DoctorOptions = {}): Promise<readonly DoctorCheck[]> {
  const registry =
    options.registry === undefined ? undefined : parseRepository(options.registry, '--registry');
  const checks: DoctorCheck[] = [checkNode()];
  let session: EngineSession;
  try {
    session = await openSession(options);
  } catch (error) {
    if (!(error instanceof PipelineError)) throw error;
    return [
      ...checks,
      {name: 'Docker engine', status: 'failed', detail: error.message, ...(error.hint && {fix: error.hint})},
    ];
  }
  try {
    const {engine} = session;
    checks.push({
      name: 'Docker engine',
      status: 'ok',
      detail: `${engine.version} (${engine.architecture}) at ${engine.host.address}, found by ${engine.host.foundBy}`,
    });
    checks.push(checkMemory(engine.memoryBytes));
    checks.push(await checkBaseImage(session));
    checks.push(await checkEmulation(session));
    if (options.engine === 'swarm' || registry !== undefined) {
      const {swarm, images} = session;
      const found = await checkSwarm({
        swarm,
        images,
        registry,
        insecure: registry !== undefined && (options.insecureRegistries ?? []).includes(registry.registry),
        signal: options.signal ?? new AbortController().signal,
      });
      checks.push(...found);
    }
    return checks;
  } finally {
    await session.close();
  }
}

function checkNode(): DoctorCheck {
  const major = Number(process.versions.node.split('.')[0]);
  if (major >= 20) return {name: 'Node.js', status: 'ok', detail: process.versions.node};
  return {
    name: 'Node.js',
    status: 'failed',
    detail: `${process.versions.node} is too old`,
    fix: 'Install Node.js 20 or newer.',
  };
}

function checkMemory(bytes: number): DoctorCheck {
  const detail = `${(bytes / 1024 ** 3).toFixed(1)} GiB in the engine`;
  if (bytes >= wantedMemoryBytes) return {name: 'Memory', status: 'ok', detail};
  return {name: 'Memory', status: 'warning', detail, fix: 'Give the engine at least 3 GiB of memory.'};
}

async function checkBaseImage(session: EngineSession): Promise<DoctorCheck> {
  const name = 'Base image';
  const configs = defaultConfigs();
  const found = await findBaseImage(session, {configs});
  if (found !== undefined) return {name, status: 'ok', detail: found.reference};
  if (await session.images.find(configs.base_image.from))
    return {name, status: 'ok', detail: 'the pinned Debian image is there'};
  if (await hasMmdebstrap()) {
    return {
      name,
      status: 'ok',
      detail: `not made yet; where no registry delivers it, mmdebstrap makes Debian ${baseSuite} here`,
    };
  }
  return {
    name,
    status: 'warning',
    detail: 'not made yet, and mmdebstrap is not installed to make it where no registry can be reached',
    fix: 'apt-get install mmdebstrap, or ./hypriotkit --setup doctor',
  };
}

function hasMmdebstrap(): Promise<boolean> {
  return new Promise((resolve) => {
    const child = spawn('mmdebstrap', ['--version'], {stdio: 'ignore'});
    child.once('error', () => resolve(false));
    child.once('close', (code) => resolve(code === 0));
  });
}

async function checkEmulation(session: EngineSession): Promise<DoctorCheck> {
  const name = 'arm64 programs';
  if (session.engine.architecture === 'arm64') return {name, status: 'ok', detail: "the engine's own"};
  const image = await findAnyBaseImage(session);
  if (image === undefined) return {name, status: 'ok', detail: 'checked when the base image has been made'};
  if (await canRunArchitecture(session, 'arm64', image))
    return {name, status: 'ok', detail: 'the engine runs them with qemu'};
  return session.engine.rootless
    ? {
        name,
        status: 'failed',
        detail: 'the engine cannot run them, and a rootless one may not register an emulator',
        fix: "On the engine's machine, as root: apt-get install qemu-user-static binfmt-support",
      }
    : {name, status: 'ok', detail: 'a build registers qemu with the kernel for as long as it runs'};
}
