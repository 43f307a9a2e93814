import type {ChalkInstance} from 'chalk';

/** What decides about colours besides the stream itself. */
export interface ColorSettings {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** False after `--no-color`. */
  readonly allowed: boolean;
}

/**
 * Colours for one of the two output streams: none after `--no-color`, with `NO_COLOR` set, or where the stream is
 * no terminal; `FORCE_COLOR` turns them on anywhere.
 */
export async function colorsFor(
  stream: 'stdout' | 'stderr',
  settings: ColorSettings,
): Promise<ChalkInstance> {
  const {Chalk, supportsColor, supportsColorStderr} = await import('chalk');
  // chalk itself knows FORCE_COLOR and terminals, but not NO_COLOR (no-color.org).
  if (!settings.allowed || settings.env['NO_COLOR']) return new Chalk({level: 0});
  const support = stream === 'stdout' ? supportsColor : supportsColorStderr;
  return new Chalk({level: support ? support.level : 0});
}
