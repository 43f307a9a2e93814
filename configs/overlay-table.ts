/** Name of the table in an overlay; it is not copied. */
export const overlayTable = 'overlay.table';

/** One line of an overlay's table. */
export interface OverlayRule {
  /** From 1. */
  readonly line: number;
  /** Without a leading slash; everything below it too when `below` is set. */
  readonly path: string;
  readonly below: boolean;
  /** As in `0640`; undefined for the usual one. */
  readonly mode: string | undefined;
  /** Names or numbers, as in `root` and `33`. */
  readonly owner: string;
  readonly group: string;
}

/** A line that is none, with what is wrong as a sentence without full stop. */
export interface OverlayTableProblem {
  readonly line: number;
  readonly message: string;
}

const name = '(?:[a-z_][a-z0-9_-]{0,31}|[0-9]{1,10})';
const wholeLine = new RegExp(`^(-|[0-7]{3,4})[ \\t]+(${name}):(${name})[ \\t]+(/.*)$`);

/**
 * Reads the table of an overlay: on each line a mode (or `-`), an owner and group, and a path in the image.
 *
 * @param paths what the overlay has, without leading slash.
 *
 * @example
 * 0600 root:root  /etc/wireguard/wg0.conf
 * -    pirate:pirate /home/pirate/**
 */
export function parseOverlayTable(
  text: string,
  paths: readonly string[],
): {readonly rules: readonly OverlayRule[]; readonly problems: readonly OverlayTableProblem[]} {
  const rules: OverlayRule[] = [];
  const problems: OverlayTableProblem[] = [];
  const known = new Set(paths);
  for (const [index, raw] of text.split(/\r?\n/).entries()) {
    const line = index + 1;
    const content = raw.trim();
    if (content === '' || content.startsWith('#')) continue;
    const [, mode, owner, group, target] = wholeLine.exec(content) ?? [];
    if (mode === undefined || owner === undefined || group === undefined || target === undefined) {
      const message = 'must be a mode or "-", owner:group, and a path that starts with "/"';
      problems.push({line, message: `${JSON.stringify(content.slice(0, 60))} ${message}`});
      continue;
    }
    const below = target.endsWith('/**');
    const path = target.slice(1, below ? -3 : undefined).replace(/\/$/, '');
    if (!known.has(path)) {
      problems.push({line, message: `there is no ${target} in the overlay`});
      continue;
    }
    rules.push({line, path, below, mode: mode === '-' ? undefined : mode.padStart(4, '0'), owner, group});
  }
  return {rules, problems};
}
