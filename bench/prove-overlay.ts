import {rootFsSteps} from '../api/components/root-fs.ts';
import {defaultConfigs} from '../configs/default-configs.ts';
import {PackagesRoom, resolveFetchInstall} from './packages-room.ts';
import {untilInterrupted} from './until-interrupted.ts';

const artifact = 'rootfs-packages.tar.zst';

/**
 * usage: npm run prove:overlay [-- package…]
 *
 * Runs root_fs.packages once with the native overlay and once with everything emulated, and compares what they make
 * byte by byte. Exits with 1 when it differs. Packages that are named replace those of the default configuration.
 */
async function main(packages: readonly string[], signal: AbortSignal): Promise<void> {
  const log = (line: string) => process.stderr.write(`${line}\n`);
  const settings = rootFsSteps(defaultConfigs()).flatMap((step) => step.settings);
  const command = ['sh', '-c', resolveFetchInstall];
  const environment = {
    ...Object.fromEntries(settings.map(({variable, value}) => [variable, value])),
    ...(packages.length > 0 && {PACKAGES: packages.join(' ')}),
  };
  await using room = await PackagesRoom.open(log, signal);
  const overlay = await room.run({name: 'overlay', command, environment});
  const emulated = await room.run({
    name: 'emulated',
    command,
    environment: {...environment, NATIVE_OVERLAY: 'off'},
  });
  const {status, lines} = await room.look(
    `sha256sum /*/${artifact} && cmp /overlay/${artifact} /emulated/${artifact}`,
    {
      '/overlay': overlay.volume,
      '/emulated': emulated.volume,
    },
  );
  for (const line of lines) process.stdout.write(`${line}\n`);
  process.stdout.write(
    `overlay ${overlay.seconds.toFixed(1)} s, emulated ${emulated.seconds.toFixed(1)} s, ${overlay.packages} packages: ${
      status === 0 ? 'identical' : 'DIFFERENT'
    }\n`,
  );
  if (status !== 0) process.exitCode = 1;
}

await untilInterrupted((signal) => main(process.argv.slice(2), signal));
