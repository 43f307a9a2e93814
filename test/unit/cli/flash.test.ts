import {Readable} from 'node:stream';
import {describe, expect, it, vi} from 'vitest';
import type {BlockDevice, FlashOptions, FlashResult, PersonaliseOptions} from '../../../api/index.ts';
import {PipelineError} from '../../../api/errors.ts';
import {runWith} from './run-command.ts';

const card: BlockDevice = {
  path: '/dev/sdb',
  sizeBytes: 32_010_928_128,
  model: 'Generic STORAGE DEVICE',
  transport: 'usb',
  isRemovable: true,
  isReadOnly: false,
  mountPoints: [],
  labels: ['BOOT', 'root'],
};
const system: BlockDevice = {...card, path: '/dev/sda', refusal: 'holds the running system'};
const disk: BlockDevice = {...card, path: '/dev/sdc', isRemovable: false};
const written: FlashResult = {
  isWritten: true,
  device: '/dev/sdb',
  imageBytes: 100,
  writtenBytes: 50,
  writeMs: 1,
  verifyMs: 1,
  files: [],
};
const api = () => ({
  flash: vi.fn((_options: FlashOptions) => Promise.resolve(written)),
  personalise: vi.fn((_options: PersonaliseOptions) =>
    Promise.resolve({path: '/x.img', files: ['user-data']}),
  ),
  listDevices: vi.fn(() => Promise.resolve([system, card, disk])),
});

describe('flash', () => {
  it('hands everything to the library', async () => {
    const library = api();
    const argv =
      'flash a.img /dev/sdb --yes --hostname reef --ssid A --psk aaaaaaaa --ssid B --psk= --hidden --country DE -k k.pub -k l.pub -u u.yaml --metadata m --network-config n -F a:b/c -F d --cmdline quiet --config-txt x=1 --allow-non-removable';
    const {stdout, exitCode} = await runWith(library, argv.split(' '));
    expect([stdout, exitCode]).toEqual(['/dev/sdb\n', 0]);
    const [options] = library.flash.mock.calls[0] ?? [];
    expect(options).toMatchObject({image: 'a.img', device: '/dev/sdb', allowNonRemovable: true});
    expect(options?.confirm).toBeUndefined();
    expect(options?.personalisation).toEqual({
      hostname: 'reef',
      wifi: [
        {ssid: 'A', passphrase: 'aaaaaaaa', isHidden: true},
        {ssid: 'B', isHidden: true},
      ],
      country: 'DE',
      sshKeys: ['k.pub', 'l.pub'],
      userData: 'u.yaml',
      metaData: 'm',
      networkConfig: 'n',
      files: [{source: 'a', destination: 'b/c'}, {source: 'd'}],
      kernelArguments: ['quiet'],
      configTxt: ['x=1'],
    });
  });

  it('takes the image of a target, and then the device is the only argument', async () => {
    const library = api();
    await runWith(library, ['flash', '--target', 'out', '/dev/sdb', '-y']);
    expect(library.flash.mock.calls[0]?.[0]).toMatchObject({image: 'out', device: '/dev/sdb'});
  });

  it.each([
    [['flash'], 'no image is named'],
    [['flash', '-t', 'out', 'a.img', '/dev/sdb'], 'there are two images'],
    [['flash', 'a.img', '/dev/sdb', '--psk', 'x'], '--psk needs the name of a network'],
    [
      ['flash', 'a.img', '/dev/sdb', '--ssid', 'A'],
      'there is one network (--ssid) and no passphrases (--psk)',
    ],
    [
      ['flash', 'a.img', '/dev/sdb', '--ssid', 'A', '--ssid', 'B', '--psk', 'x'],
      '2 networks (--ssid) and 1 passphrase (--psk)',
    ],
  ])('%j is refused', async (argv, message) => {
    const library = api();
    const {stderr, exitCode} = await runWith(library, argv);
    expect(stderr).toContain(message);
    expect(exitCode).toBe(2);
    expect(library.flash).not.toHaveBeenCalled();
  });

  it('lists the cards, and never a disk of the system, when no device is named', async () => {
    const library = api();
    const {stderr, exitCode} = await runWith(library, ['flash', 'a.img', '-y']);
    expect(stderr).toBe(
      'error: no device is named\n  hint: There is:\n        /dev/sdb  29.8 GiB  Generic STORAGE DEVICE  with BOOT, root\n',
    );
    expect(exitCode).toBe(2);
  });

  it('says when there is no card', async () => {
    const {stderr, exitCode} = await runWith({...api(), listDevices: () => Promise.resolve([system, disk])}, [
      'flash',
      'a.img',
    ]);
    expect(stderr).toContain('no card or stick is plugged in');
    expect(exitCode).toBe(2);
  });

  it.each([
    ['the environment', [], {HYPRIOTKIT_PSK: 'from env'}, '', 'from env'],
    ['stdin', ['--psk', '-'], {}, 'from stdin\n', 'from stdin'],
  ])('takes the passphrase from %s', async (_where, more, env, input, passphrase) => {
    const library = api();
    const stdin = Readable.from([input], {encoding: 'utf8'}) as unknown as NodeJS.ReadStream;
    const argv = ['flash', 'a.img', '/dev/sdb', '-y', '--ssid', 'A', '--country', 'DE', ...more];
    await runWith(library, argv, {env, stdin});
    expect(library.flash.mock.calls[0]?.[0].personalisation?.wifi).toEqual([{ssid: 'A', passphrase}]);
  });

  it('says what the card is worth after Ctrl-C', async () => {
    const {Interrupt} = await import('../../../cli/interrupt.ts');
    const interrupt = new Interrupt({on: () => undefined, off: () => undefined, exit: () => undefined});
    const flash = () => {
      interrupt.stop();
      return Promise.reject(new PipelineError('INTERRUPTED', 'stopped', {hint: '/dev/sdb is incomplete'}));
    };
    const {stderr, exitCode} = await runWith({...api(), flash}, ['flash', 'a.img', '/dev/sdb', '-y'], {
      interrupt,
    });
    expect(stderr).toContain('interrupted\n/dev/sdb is incomplete\n');
    expect(exitCode).toBe(130);
  });

  it('prints progress for programs', async () => {
    const flash = ({onEvent}: FlashOptions) => {
      onEvent?.({type: 'flash-progress', phase: 'write', doneBytes: 1, totalBytes: 2});
      return Promise.resolve(written);
    };
    const {stdout, stderr} = await runWith({...api(), flash}, ['flash', 'a.img', '/dev/sdb', '-y', '--json']);
    expect(
      stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as object),
    ).toEqual([
      {type: 'flash-progress', phase: 'write', doneBytes: 1, totalBytes: 2},
      {type: 'result', ok: true, ...written},
    ]);
    expect(stderr).toBe('');
  });
});

describe('personalise', () => {
  it('prints the image, and what was written into it', async () => {
    const library = api();
    const {stdout, stderr, exitCode} = await runWith(library, [
      'personalise',
      'x.img',
      '-n',
      'reef',
      '-o',
      'y.img',
    ]);
    expect([stdout, stderr, exitCode]).toEqual(['/x.img\n', '✔ user-data\n', 0]);
    expect(library.personalise.mock.calls[0]?.[0]).toMatchObject({
      image: 'x.img',
      output: 'y.img',
      personalisation: {hostname: 'reef'},
    });
  });
});
