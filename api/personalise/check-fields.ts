import {PipelineError} from '../errors.ts';
import type {WifiNetwork} from './personalisation.ts';

const hostnamePattern = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/i;

/** @throws PipelineError `USAGE` when `hostname` cannot be one. */
export function checkHostname(hostname: string): void {
  if (hostnamePattern.test(hostname)) return;
  throw new PipelineError('USAGE', `the host name (--hostname) ${JSON.stringify(hostname)} is not possible`, {
    hint: hostname.includes('.')
      ? 'Leave the domain out; a full name goes into "fqdn" of a user-data file (--userdata).'
      : 'Use 1 to 63 letters, digits and hyphens, with no hyphen at either end.',
  });
}

/** @throws PipelineError `USAGE` when a network can have no such name or passphrase. The passphrase is never shown. */
export function checkWifi({ssid, passphrase}: WifiNetwork): void {
  const bytes = Buffer.byteLength(ssid);
  if (bytes === 0 || bytes > 32 || /\p{Cc}/u.test(ssid)) {
    throw new PipelineError('USAGE', `the WiFi name (--ssid) ${JSON.stringify(ssid)} is not possible`, {
      hint: `The name of a network has 1 to 32 bytes${bytes > 32 ? `, this one has ${bytes}` : ''}, and no control characters.`,
    });
  }
  if (passphrase === undefined || /^[0-9a-f]{64}$/i.test(passphrase)) return;
  const {length} = passphrase;
  if (length < 8 || length > 63) {
    throw new PipelineError(
      'USAGE',
      `the WiFi passphrase (--psk) of ${JSON.stringify(ssid)} has ${length} character${length === 1 ? '' : 's'}`,
      {hint: 'A WPA passphrase has 8 to 63 characters, or it is a key of 64 hex digits.'},
    );
  }
  if (!/^[ -~]+$/.test(passphrase)) {
    throw new PipelineError(
      'USAGE',
      `the WiFi passphrase (--psk) of ${JSON.stringify(ssid)} has a character that is not ASCII`,
      {hint: 'Give the key of 64 hex digits instead; wpa_passphrase prints it.'},
    );
  }
}

/** @throws PipelineError `USAGE` when kernel arguments would not fit into the one line of cmdline.txt. */
export function checkKernelArguments(text: string): void {
  if (text.trim() !== '' && !/\p{Cc}/u.test(text)) return;
  throw new PipelineError(
    'USAGE',
    `the kernel arguments (--cmdline) ${JSON.stringify(text)} are not possible`,
    {
      hint: 'Give them in one line, separated by spaces: --cmdline "quiet cma=128M".',
    },
  );
}

/** @throws PipelineError `USAGE` when a line cannot stand in config.txt. */
export function checkConfigLine(line: string): void {
  const trimmed = line.trim();
  if (/^\[[^\]]+\]$/.test(trimmed) || /^#/.test(trimmed)) return;
  // The firmware reads no more than 98 characters of a line (Raspberry Pi documentation, "config.txt").
  if (
    /^(initramfs\s+\S|include\s+\S|[a-z0-9_]+(:\d)?=)/i.test(trimmed) &&
    !/\p{Cc}/u.test(line) &&
    line.length <= 98
  )
    return;
  throw new PipelineError('USAGE', `${JSON.stringify(line)} (--config-txt) is no line of config.txt`, {
    hint:
      line.length > 98
        ? 'The firmware reads no more than 98 characters of a line.'
        : 'A line sets one thing, such as dtparam=audio=on, or starts a section, such as [pi4].',
  });
}
