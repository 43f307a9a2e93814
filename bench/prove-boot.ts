import {mkdtemp, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {
  bootImage,
  build,
  destroyVolume,
  personalise,
  type BootOptions,
  type Personalisation,
} from '../api/index.ts';
import {printBoot} from './print-boot.ts';
import {networkAssertions, networkConfig, networks} from './radio.ts';
import {untilInterrupted} from './until-interrupted.ts';

interface Proof {
  readonly configs: object;
  readonly personalisation?: Personalisation;
  /** Content of a file that replaces `network-config`. */
  readonly networkConfig?: string;
  readonly boot: Pick<BootOptions, 'drive' | 'network' | 'assertions'>;
}

const proofs: Readonly<Record<string, Proof>> = {
  /** Two root slots: the first one runs, and has what otaclient calls when it installs into the second one. */
  ab: {
    configs: {blank_image: {layout: 'ab', size: 'auto'}, rpi_sd_image: {compression: ['none']}},
    boot: {
      assertions: [
        'test "$(lsblk -n -o LABEL /dev/mmcblk0p1 /dev/mmcblk0p2 /dev/mmcblk0p3 | paste -sd " ")" = "system-boot slot_a slot_b"',
        'for name in config.txt cmdline.txt; do for slot in a b; do sudo -n test -s /boot/firmware/${name}_slot_$slot || exit 1; done; done',
        'sudo -n cmp /boot/firmware/config.txt /boot/firmware/config.txt_slot_a',
        'sudo -n cmp /boot/firmware/tryboot.txt /boot/firmware/config.txt_slot_b',
        'test -d /boot/ota-status',
        // As otaclient runs it in the slot that it has written.
        'sudo -n env FK_FORCE=yes /usr/sbin/flash-kernel',
        'sudo -n cmp /boot/firmware/vmlinuz /boot/firmware/vmlinuz_slot_a && sudo -n cmp /boot/firmware/initrd.img /boot/firmware/initrd.img_slot_a',
      ],
    },
  },
  /** The image of a card, on a USB stick; the board's firmware is not emulated, so this is what comes after it. */
  usb: {
    configs: {rpi_sd_image: {compression: ['none']}},
    boot: {
      drive: 'usb',
      assertions: ['test ! -e /dev/mmcblk0', 'readlink -f /sys/class/block/sda | grep /usb'],
    },
  },
  /** A wire with DHCP, another one with a fixed address, and radios that Linux emulates (mac80211_hwsim). */
  network: {
    configs: {rpi_sd_image: {compression: ['none']}},
    personalisation: {wifi: networks, country: 'DE'},
    networkConfig,
    boot: {network: 'wired', assertions: networkAssertions()},
  },
};

/**
 * usage: npm run prove:ab        npm run prove:usb        npm run prove:network
 *
 * Builds an image in an empty volume and boots it in the emulated Raspberry Pi 3. Exits with 1 when something does not
 * hold.
 */
async function main([name = '']: readonly string[], signal: AbortSignal): Promise<void> {
  const proof = proofs[name];
  if (proof === undefined) throw new Error(`there are: ${Object.keys(proofs).join(', ')}`);
  const volume = `hypriotkit-prove-${process.pid}`;
  const target = await mkdtemp(join(tmpdir(), 'hypriotkit-prove-'));
  const onEvent = (event: {type: string; step?: string; message?: string}) => {
    if (event.type === 'step-progress') process.stderr.write(`${event.step ?? ''}: ${event.message ?? ''}\n`);
  };
  try {
    await writeFile(join(target, 'configs.json'), JSON.stringify(proof.configs));
    const {delivered} = await build({
      target,
      volume,
      components: ['rpi_sd_image'],
      signal,
      onEvent,
      verbosity: 'info',
    });
    const image = delivered.find(({path}) => path.endsWith('.img'))?.path;
    if (image === undefined) throw new Error('the build has delivered no image');
    if (proof.personalisation !== undefined || proof.networkConfig !== undefined) {
      const file = join(target, 'network.yaml');
      await writeFile(file, proof.networkConfig ?? '');
      const personalisation = {
        ...proof.personalisation,
        ...(proof.networkConfig !== undefined && {networkConfig: file}),
      };
      await personalise({image, personalisation, signal});
    }
    printBoot(await bootImage({target, image, volume, signal, onEvent, ...proof.boot}));
  } finally {
    await rm(target, {recursive: true, force: true});
    await destroyVolume({volume}).catch((error: unknown) => {
      process.stderr.write(`${volume} is left: ${String(error)}\n`);
    });
  }
}

await untilInterrupted((signal) => main(process.argv.slice(2), signal));
