import {execFileSync} from 'node:child_process';
import {createServer} from 'node:http';
import type {AddressInfo} from 'node:net';
import {writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {expect, it, onTestFinished, vi} from 'vitest';
import {loadProject} from '../../api/pipeline/load-project.ts';
import {requestOf} from '../../api/pipeline/request-of.ts';
import {readImage} from '../unit/api/content/rig.ts';
import {makeTempFolder} from '../unit/api/temp-folder.ts';
import {inVolume} from './engine.ts';
import {entryOf, mebibyte, Rig, shellStep, summaryOf} from './rig.ts';

/** Stands for the step that makes the card: a boot partition with nothing in it, and a root file system. */
const card = shellStep(
  'rpi_sd_image',
  `mkdir -p root/etc && echo reef >root/etc/hostname && echo x >root/etc/fstab
   find root -exec touch -h -d @1 {} +
   uuid=00000000-0000-4000-8000-000000000001
   E2FSPROGS_FAKE_TIME=1 mke2fs -q -t ext4 -U $uuid -E hash_seed=$uuid -d root root.img 16M
   truncate -s 2M x.img && cat root.img >>x.img
   printf '\\000\\000\\000\\000\\014\\000\\000\\000\\000\\010\\000\\000\\000\\010\\000\\000' >table
   printf '\\000\\000\\000\\000\\203\\000\\000\\000\\000\\020\\000\\000\\000\\200\\000\\000' >>table
   dd if=table of=x.img bs=1 seek=446 conv=notrunc status=none
   printf '\\125\\252' | dd of=x.img bs=1 seek=510 conv=notrunc status=none
   zstd -q x.img && rm -r root root.img table`,
  {outputs: ['x.img', 'x.img.zst'].map((name) => ({name, delivered: true})), memoryBytes: 256 * mebibyte},
);

it('content is downloaded once and put onto the card here; the same again is found, and a new version is noticed', async () => {
  const folder = await makeTempFolder();
  vi.stubEnv('XDG_CACHE_HOME', join(folder, 'cache'));
  let content = 'a zim';
  let sent = 0;
  const server = createServer((request, response) => {
    response.writeHead(200, {etag: `"${content}"`, 'content-length': content.length});
    if (request.method !== 'HEAD') sent += content.length;
    response.end(request.method === 'HEAD' ? undefined : content);
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  onTestFinished(() => void server.close());
  const {port} = server.address() as AddressInfo;
  const config = join(folder, 'configs.json');
  const files = [
    {url: `http://127.0.0.1:${port}/a.zim`, to: '/data/a.zim'},
    {content: 'hello\n', to: '/data/hello.txt'},
  ];
  await writeFile(config, JSON.stringify({content_image: {config: {files}}}));
  /** As a build would have them today. */
  const steps = async () => {
    const {selection} = requestOf(await loadProject({config}), {});
    return [card, ...selection.steps.filter(({component}) => component === 'content_image')];
  };

  await using rig = new Rig();
  const first = await rig.run(await steps());
  const entry = entryOf(first, 'content_image');
  expect(entry.files.map(({name}) => name)).toEqual([
    'hypriotos-rpi64-content-latest.img.zst',
    'hypriotos-rpi64-content-latest.img.zst.sha256',
  ]);
  expect(sent).toBe(content.length);
  const image = join(folder, 'x.img');
  const path = `.hypriotkit/entries/${entry.fingerprint}/hypriotos-rpi64-content-latest.img.zst`;
  await writeFile(`${image}.zst`, Buffer.from(await inVolume(rig.volume, `base64 '${path}'`), 'base64'));
  execFileSync('zstd', ['-dq', `${image}.zst`]);
  const found = await readImage(image);
  expect(found.complaints).toBe('');
  expect(found.data.get('/data/a.zim')?.content?.toString()).toBe('a zim');
  expect(found.data.get('/data/hello.txt')?.content?.toString()).toBe('hello\n');
  expect(found.data.get('/etc/hostname')?.content?.toString()).toBe('reef\n');

  expect(summaryOf(await rig.run(await steps()))).toEqual({
    rpi_sd_image: 'hit',
    'content_image.sources': 'hit',
    content_image: 'hit',
  });
  expect(sent).toBe(content.length);

  content = 'another one';
  expect(summaryOf(await rig.run(await steps()))).toEqual({
    rpi_sd_image: 'hit',
    'content_image.sources': 'built',
    content_image: 'built',
  });
  expect(await rig.leftovers()).toEqual([]);
});
