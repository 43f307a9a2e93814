import {createHash, createPublicKey} from 'node:crypto';
import {cp, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {expect, it} from 'vitest';
import {checkBundleImages} from '../../api/bundle/images.ts';
import {inspectBundle} from '../../api/bundle/verify.ts';
import {allSteps} from '../../api/components/components.ts';
import {builtinBuildImages} from '../../api/engine/build-image.ts';
import {FileTable, ImageReader, verifyResources, verifySignature} from '../../api/ota/image/index.ts';
import {defaultConfigs} from '../../configs/default-configs.ts';
import {readLocalTree} from '../../configs/local-tree.ts';
import {LoopbackRegistry, makeImage} from '../unit/api/registry/loopback-registry.ts';
import {makeSigners} from '../unit/api/updates/signing-rig.ts';
import {makeTempFolder} from '../unit/api/temp-folder.ts';
import {inVolume} from './engine.ts';
import {entryOf, fixtures, mebibyte, Rig, shellStep, summaryOf} from './rig.ts';

/** Stand for the steps that make the card and the kernel. */
const card = shellStep(
  'rpi_sd_image',
  `mkdir -p root/etc root/boot/firmware root/usr/sbin && echo reef >root/etc/hostname && seq 100000 >root/numbers
   find root -exec touch -h -d @1 {} +
   uuid=00000000-0000-4000-8000-000000000001
   E2FSPROGS_FAKE_TIME=1 mke2fs -q -t ext4 -U $uuid -E hash_seed=$uuid -d root x.img 16M
   zstd -q x.img && rm -r root`,
  {outputs: ['x.img', 'x.img.zst'].map((name) => ({name, delivered: true})), memoryBytes: 256 * mebibyte},
);
const kernel = shellStep(
  'rpi_kernel',
  `mkdir -p boot lib/modules && echo kernel >boot/kernel8.img && echo initrd >boot/initrd.img && echo tree >boot/x.dtb
   tar -czf 6.12.tar.gz ./boot ./lib && tar -czf bootfiles.tar.gz ./boot`,
  {outputs: ['6.12.tar.gz', 'bootfiles.tar.gz'].map((name) => ({name, delivered: true}))},
);

it('an update is made of the card and signed here, the same twice, and the key never gets to the engine', async () => {
  const folder = await makeTempFolder();
  const signers = await makeSigners();
  await writeFile(join(folder, 'sign.pem'), signers.leaf.pem);
  await writeFile(join(folder, 'root.pem'), signers.root.pem);
  const buildImages = join(folder, 'build-images');
  await cp(fixtures, buildImages, {recursive: true});
  await cp(join(builtinBuildImages(), 'ota-bundler'), join(buildImages, 'ota-bundler'), {recursive: true});
  const defaults = defaultConfigs();
  const configs = {
    ...defaults,
    'ota-bundler': {
      ...defaults['ota-bundler'],
      outputs: ['v1', 'offline_bundle'] as const,
      sign_key: 'env:KEY',
      sign_cert: 'sign.pem',
    },
  };
  const local = new Map([['sign.pem', await readLocalTree(folder, 'sign.pem', 'file')]]);
  const own = allSteps(configs, local).filter(({component}) => component === 'ota-bundler');
  const steps = [card, kernel, ...own];
  const signing = {key: signers.key, certificate: signers.leaf.pem, intermediates: [signers.middle.pem]};

  await using rig = new Rig();
  const first = await rig.run(steps, {buildImages, signing});
  const entry = entryOf(first, 'ota-bundler');
  expect(entry.files.map(({name}) => name)).toEqual([
    'hypriotos-rpi64-ota-latest.zip',
    'hypriotos-rpi64-ota-latest.zip.sha256',
    'update.json',
  ]);

  const zip = join(folder, 'update.zip');
  const path = `.hypriotkit/entries/${entry.fingerprint}/hypriotos-rpi64-ota-latest.zip`;
  await writeFile(zip, Buffer.from(await inVolume(rig.volume, `base64 '${path}'`), 'base64'));
  await using image = await ImageReader.open(zip);
  expect((await verifyResources(image)).isSound).toBe(true);
  expect((await verifySignature(image)).chain).toEqual(['CN=sign', 'CN=middle']);
  const {layers} = await image.manifest(image.payload('main'));
  await using table = await FileTable.open(image.source, layers[0]);
  expect([...table.regulars()].map((file) => file.path)).toEqual([
    '/boot/dtbs/6.12/x.dtb',
    '/boot/initrd.img-6.12',
    '/boot/vmlinuz-6.12',
    '/etc/hostname',
    '/numbers',
    '/usr/sbin/flash-kernel',
  ]);

  expect(await inVolume(rig.volume, 'grep -rlE "PRIVATE KEY|env:KEY" . || true')).toBe('');
  expect(JSON.stringify(first.events)).not.toContain('PRIVATE KEY');
  expect(summaryOf(await rig.run(steps, {buildImages, signing}))).toMatchObject({
    'ota-bundler': 'hit',
    'ota-bundler.offline': 'hit',
  });
  expect(await rig.leftovers()).toEqual([]);

  // Made again from nothing but the same inputs.
  await using other = new Rig();
  const second = await other.run(steps, {buildImages, signing});
  for (const step of ['ota-bundler.kernel', 'ota-bundler', 'ota-bundler.offline']) {
    expect(entryOf(second, step).files).toEqual(entryOf(first, step).files);
  }
});

it('an update-agent bundle and the archive of its images are made without a card', async () => {
  const folder = await makeTempFolder();
  const signers = await makeSigners();
  await using registry = await LoopbackRegistry.start();
  const image = makeImage(['app']);
  registry.add('app', '1', image);
  const reference = `${registry.host}/app:1@sha256:${createHash('sha256').update(image.manifest).digest('hex')}`;
  await writeFile(
    join(folder, 'gripper.yaml'),
    `apiVersion: v1\nid: gripper\nname: Gripper\nversion: 1.0.0\ntype: addon\nkukaLinuxVersion: '*'\ncontainers:\n  - spec: {name: app, image: '${reference}'}\n`,
  );
  await writeFile(join(folder, 'sign.pem'), signers.leaf.pem);
  const buildImages = join(folder, 'build-images');
  await cp(fixtures, buildImages, {recursive: true});
  await cp(join(builtinBuildImages(), 'ota-bundler'), join(buildImages, 'ota-bundler'), {recursive: true});
  const defaults = defaultConfigs();
  const configs = {
    ...defaults,
    'ota-bundler': {
      ...defaults['ota-bundler'],
      outputs: ['update_agent_bundle'] as const,
      sign_key: 'env:KEY',
      sign_cert: 'sign.pem',
      update_agent_bundle: {description: 'gripper.yaml', files: [], images: 'registry', layout: ''} as const,
    },
  };
  const names = ['sign.pem', 'gripper.yaml'];
  const trees = names.map(async (name) => [name, await readLocalTree(folder, name, 'file')] as const);
  const steps = allSteps(configs, new Map(await Promise.all(trees))).filter(
    ({component}) => component === 'ota-bundler',
  );
  const signing = {key: signers.key, certificate: signers.leaf.pem, intermediates: [signers.middle.pem]};

  await using rig = new Rig();
  const entry = entryOf(await rig.run(steps, {buildImages, signing}), 'ota-bundler.bundle');
  expect(entry.files.map(({name}) => name)).toEqual([
    'gripper_1.0.0.bundle',
    'gripper_1.0.0.bundle.sha256',
    'gripper_1.0.0_images.tar.gz',
    'gripper_1.0.0_images.tar.gz.sha256',
  ]);
  for (const name of ['gripper_1.0.0.bundle', 'gripper_1.0.0_images.tar.gz']) {
    const path = `.hypriotkit/entries/${entry.fingerprint}/${name}`;
    await writeFile(
      join(folder, name),
      Buffer.from(await inVolume(rig.volume, `base64 '${path}'`), 'base64'),
    );
  }
  const file = join(folder, 'gripper_1.0.0.bundle');
  expect(await inspectBundle(file, createPublicKey(signers.leaf.pem))).toMatchObject({
    problems: [],
    signatures: [{status: 'valid'}],
  });
  expect(await checkBundleImages({file})).toMatchObject({missing: [], extra: []});
  expect(summaryOf(await rig.run(steps, {buildImages, signing}))).toEqual({'ota-bundler.bundle': 'hit'});
});
