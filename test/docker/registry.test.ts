import {afterAll, afterEach, beforeAll, beforeEach, describe, expect, it} from 'vitest';
import {defaultConfigs} from '../../configs/default-configs.ts';
import {ensureBaseImage} from '../../api/engine/base-image.ts';
import {openSession} from '../../api/engine/open-session.ts';
import type {EngineSession} from '../../api/engine/session.ts';
import type {Configs} from '../../configs/schema.ts';
import {engine, newVolumeName, openForeignSession, removeTestThings, testBaseImage} from './engine.ts';
import {Registry} from './registry.ts';

/** The Debian that hypriotkit has bootstrapped, if it had to; any other image would do for a registry, too. */
const served = 'hypriotkit/debian:trixie-amd64';

let session: EngineSession;
beforeAll(testBaseImage);
beforeEach(async () => {
  session = await openSession({volume: newVolumeName()});
});
afterEach(async () => {
  await session.close();
});
afterAll(removeTestThings);

function configsFrom(from: string): Configs {
  const configs = defaultConfigs();
  return {...configs, base_image: {...configs.base_image, from, image: 'hypriotkit-test/base:latest'}};
}

async function remove(...references: string[]): Promise<void> {
  const docker = await engine();
  for (const reference of references) {
    await docker
      .getImage(reference)
      .remove()
      .catch(() => undefined);
  }
}

describe('base_image.from', () => {
  it('is pulled by its digest and used where its registry can be reached', async (context) => {
    if ((await session.images.find(served)) === undefined)
      return context.skip(`${served} is not there to be served`);
    if (!session.engine.host.address.startsWith('unix:'))
      return context.skip('the engine is on another machine');

    await using registry = await Registry.serving(served, 'hypriotkit-test/debian');
    const {reference} = registry;
    // A bootstrapped Debian would be looked for before a registry is asked; that of this architecture nobody has made.
    await using foreign = await openForeignSession();
    const said: string[] = [];
    let made: string | undefined;
    try {
      const base = await ensureBaseImage(
        foreign,
        {configs: configsFrom(reference)},
        (message) => said.push(message),
        () => undefined,
      );
      made = base.reference;

      expect(said).toEqual([`pulling ${reference.replace(/@.*/, '')}`, 'installing the build tools']);
      const digest = reference.slice(reference.indexOf('@') + 1);
      // HEAD alone where the engine remembers the manifest from an earlier pull.
      expect(registry.requests.join()).toContain(` /v2/hypriotkit-test/debian/manifests/${digest}`);
      const docker = await engine();
      const pulled = await docker.getImage(reference).inspect();
      expect(pulled.RepoDigests).toContain(reference);
      // What comes out is the same as from the bootstrapped image with the same content, under another tag.
      const {RootFS: layers} = (await docker.getImage(made).inspect()) as {RootFS: {Layers: string[]}};
      expect(layers.Layers[0]).toBe((pulled as {RootFS: {Layers: string[]}}).RootFS.Layers[0]);
      expect(base.identity).toMatch(/^[0-9a-f]{64}$/);
      expect(made).not.toBe((await testBaseImage()).reference);

      // The second time nothing is asked for.
      const before = registry.requests.length;
      const again = await ensureBaseImage(
        foreign,
        {configs: configsFrom(reference)},
        (message) => said.push(message),
        () => undefined,
      );
      expect(again).toEqual(base);
      expect(registry.requests).toHaveLength(before);
    } finally {
      await remove(...(made === undefined ? [] : [made]), 'hypriotkit-test/base:latest', reference);
    }
  });

  it('that a user names and no registry delivers is an error, and not replaced by something else', async () => {
    // Port 9 (discard): nothing listens there.
    const from = `127.0.0.1:9/debian@sha256:${'0'.repeat(64)}`;
    const made = ensureBaseImage(
      session,
      {configs: configsFrom(from)},
      () => undefined,
      () => undefined,
    );
    await expect(made).rejects.toMatchObject({
      code: 'IMAGE_UNAVAILABLE',
      message: expect.stringContaining(from) as string,
      hint: expect.stringContaining('base_image.from') as string,
    });
  });

  it('is refused when the registry sends something else', async () => {
    await using registry = await Registry.serving('hypriotkit/scratch:1', 'hypriotkit-test/debian');
    registry.lies = true;
    const other = registry.reference.replace(/[0-9a-f]{64}$/, 'f'.repeat(64));

    await expect(session.images.pull(other)).rejects.toThrow(/verif|digest/i);

    expect(registry.requests.some((request) => request.includes('/manifests/'))).toBe(true);
    expect(await session.images.find(other)).toBeUndefined();
  });
});
