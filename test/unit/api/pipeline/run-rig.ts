import Docker from 'dockerode';
import {mkdir, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {onTestFinished} from 'vitest';
import type {Step} from '../../../../api/components/step.ts';
import {EngineSession} from '../../../../api/engine/session.ts';
import {parseVolumeReference} from '../../../../api/engine/volume-reference.ts';
import type {PipelineEvent} from '../../../../api/events/event.ts';
import type {RunContext} from '../../../../api/pipeline/run-context.ts';
import {identifyStep} from '../../../../api/pipeline/identify-step.ts';
import {GitCache} from '../../../../api/git/git-cache.ts';
import {localRunner} from '../../../../api/pipeline/local-runner.ts';
import {Pool} from '../../../../api/pool.ts';
import {TeamCache} from '../../../../api/pipeline/team-cache.ts';
import {PackageCache} from '../../../../volumes/package-cache.ts';
import type {StoreEntry} from '../../../../volumes/store-entry.ts';
import {StoreRig, type Content} from '../../volumes/store-rig.ts';
import {listenOnSocket, recentEngine, type Answer} from '../docker/fake-engine.ts';
import {makeTempFolder} from '../temp-folder.ts';

/** A run whose volume is a folder here and whose engine answers what a test says, and refuses the rest. */
export class RunRig {
  readonly volume: StoreRig;
  readonly context: RunContext;
  readonly events: PipelineEvent[] = [];

  private constructor(volume: StoreRig, session: EngineSession, buildImages: string, signal: AbortSignal) {
    this.volume = volume;
    this.context = {
      session,
      store: volume.store,
      runner: localRunner,
      cache: TeamCache.none(),
      packages: new PackageCache(session.packageHost),
      downloads: new Pool(1),
      git: new GitCache(),
      privileged: new Set<string>(),
      lists: new Map(),
      previousLists: new Map(),
      offline: false,
      baseImage: {
        reference: 'base:1',
        identity: 'base',
        archiveDate: 1_700_000_000,
        packagesDigest: 'packages',
      },
      buildImages,
      epoch: 1_700_000_000,
      mayRegisterBinfmt: false,
      emit: (event) => this.events.push(event),
      signal,
    };
  }

  static async create(
    answers: Readonly<Record<string, Answer>> = {},
    signal = new AbortController().signal,
  ): Promise<RunRig> {
    const address = await listenOnSocket(answers);
    const docker = new Docker({socketPath: address.slice('unix://'.length)});
    const host = {address, foundBy: 'test'};
    const engine = {
      name: recentEngine.info.Name,
      version: '27',
      apiVersion: '1.46',
      architecture: 'amd64',
      cpus: 2,
      memoryBytes: 1,
      host,
      rootless: false,
    };
    const session = new EngineSession(
      {docker, engine},
      parseVolumeReference('test-volume'),
      parseVolumeReference('test-packages'),
    );
    onTestFinished(() => session.close());
    const buildImages = await makeTempFolder();
    await mkdir(join(buildImages, 'root_fs'));
    await writeFile(join(buildImages, 'root_fs', 'Dockerfile'), 'FROM scratch\n');
    return new RunRig(new StoreRig(await makeTempFolder()), session, buildImages, signal);
  }

  /** Puts what a step would make into the store, as a run before this one would have. */
  async built(step: Step, content: Content, ...inputs: readonly StoreEntry[]): Promise<StoreEntry> {
    const {fingerprint, inputs: collected} = await identifyStep(
      step,
      new Map(inputs.map((entry) => [entry.step, entry])),
      this.context,
    );
    return this.volume.publish(fingerprint, content, {step: step.name, inputs: collected});
  }
}
