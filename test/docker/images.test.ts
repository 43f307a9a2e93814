import {Readable} from 'node:stream';
import {afterAll, expect, it} from 'vitest';
import {writeTar} from '../../api/docker/tar.ts';
import {openSession} from '../../api/engine/open-session.ts';
import {engine, newVolumeName, removeTestThings} from './engine.ts';

afterAll(removeTestThings);

it('an image that has lost its name is listed without one, and can be removed', async () => {
  const docker = await engine();
  await using session = await openSession({volume: newVolumeName()});
  const kind = `org.hypriotkit.test-image=${newVolumeName()}`;
  // The second takes the name of the first away.
  for (const content of ['first', 'second']) {
    const tar = await writeTar([{name: 'file', content: Buffer.from(content)}]);
    await session.images.importTar(Readable.from([tar]), 'hypriotkit-test/named', '1', [`LABEL ${kind}`]);
  }

  const images = await session.images.list(kind);

  expect(images.map(({tags}) => tags).sort()).toEqual([[], ['hypriotkit-test/named:1']]);
  for (const {id} of images) await docker.getImage(id).remove();
  expect(await session.images.list(kind)).toEqual([]);
});
