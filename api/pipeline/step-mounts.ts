import type {WorkFolder} from '../../volumes/artifact-store.ts';
import type {StoreEntry} from '../../volumes/store-entry.ts';
import type {Step} from '../components/step.ts';
import type {VolumeMount} from '../docker/containers.ts';
import type {RunContext} from './run-context.ts';

/** What a step's container sees of the volumes: views, which must be removed when it is gone. */
export class StepMounts {
  readonly #context: RunContext;
  readonly #views: string[] = [];

  constructor(context: RunContext) {
    this.#context = context;
  }

  /** The step's own folder, writable, and its inputs, read-only: nothing else of the volume can be seen. */
  async mount(step: Step, inputs: ReadonlyMap<string, StoreEntry>, work: WorkFolder): Promise<VolumeMount[]> {
    const {session, store, packages, previousLists} = this.#context;
    const view = async (path: string) => this.#keep(await session.createView(path));
    if (step.hypriot !== undefined) {
      // One flat folder, for outputs and inputs; some look for it here, some there.
      const folder = await view(work.path);
      return ['/workspace', '/builds'].map((target) => ({volume: folder, target, readOnly: false}));
    }
    return [
      {volume: await view(work.path), target: '/workspace', readOnly: false},
      ...(step.cache === undefined
        ? []
        : [
            {
              volume: this.#keep(
                await session.createPackageView(await packages.openCache(step.cache.folder)),
              ),
              target: step.cache.target,
              readOnly: false,
            },
          ]),
      ...(await this.#earlier(step)),
      ...(await Promise.all(
        [...inputs].map(async ([input, entry]) => ({
          volume: await view(store.pathOf(entry)),
          target: `/inputs/${input}`,
          readOnly: true,
        })),
      )),
      ...(step.packagesOf === undefined && !previousLists.has(step.name)
        ? []
        : [
            {
              volume: this.#keep(await session.createPackageView(packages.path)),
              target: '/packages',
              readOnly: true,
            },
          ]),
    ];
  }

  async #earlier(step: Step): Promise<VolumeMount[]> {
    if (step.seesEarlier === undefined) return [];
    const {session, store} = this.#context;
    const [newest] = [...(await store.entries()).values()]
      .filter((entry) => entry.step === step.name)
      .sort((a, b) => (a.createdAt < b.createdAt ? 1 : -1));
    if (newest === undefined) return [];
    const volume = this.#keep(await session.createView(store.pathOf(newest)));
    return [{volume, target: '/earlier', readOnly: true}];
  }

  async remove(): Promise<void> {
    await Promise.all(this.#views.map((view) => this.#context.session.removeView(view)));
  }

  #keep(name: string): string {
    this.#views.push(name);
    return name;
  }
}
