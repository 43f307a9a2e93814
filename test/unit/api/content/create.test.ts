import {writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {expect, test} from 'vitest';
import {createContentImage} from '../../../../api/content/create-content-image.ts';
import {makeTempFolder} from '../temp-folder.ts';
import {makeBase, readImage} from './rig.ts';

const now = 1_700_000_000;

test('fills a base image', async () => {
  const folder = await makeTempFolder();
  await makeBase(join(folder, 'base.img'));
  await writeFile(join(folder, 'near.zim'), 'a zim');
  const text = `# mine
base: ./base.img
files:
- {url: ./near.zim, to: /data/contents/zims/near.zim}
- {content: "hello\\n", to: /data/conf/message.txt}
write_config: true
offspot:
  timezone: Africa/Bamako
  hostname: reef
`;
  await writeFile(join(folder, 'image.yaml'), text);
  const output = join(folder, 'out.img');
  const result = await createContentImage({config: join(folder, 'image.yaml'), output, sourceDateEpoch: now});
  expect(result).toMatchObject({isWritten: true, receivedBytes: 0});
  const image = await readImage(output);
  expect(image.complaints).toBe('');
  expect(image.sizeBytes).toBe(result.imageBytes);
  expect(image.data.get('/contents/zims/near.zim')).toEqual({
    type: 'file',
    mode: '0644',
    owner: '0:0',
    mtime: now,
    content: Buffer.from('a zim'),
  });
  expect(image.data.get('/conf/image.yaml')?.content?.toString()).toBe(text);
  expect(image.data.has('/master_fs')).toBe(true);
  expect(image.boot.get('/offspot.yaml')).toBe('hostname: reef\ntimezone: Africa/Bamako\n');
});
