/** The few signs that the output uses. */
export interface Symbols {
  readonly done: string;
  readonly failed: string;
  readonly skipped: string;
  readonly warning: string;
  readonly info: string;
  readonly run: string;
  readonly dot: string;
  readonly spinner: readonly string[];
}

const unicode: Symbols = {
  done: '✔',
  failed: '✖',
  skipped: '–',
  warning: '▲',
  info: '·',
  run: '▸',
  dot: '·',
  spinner: ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'],
};

const ascii: Symbols = {
  done: '+',
  failed: 'x',
  skipped: '-',
  warning: '!',
  info: '-',
  run: '>',
  dot: '-',
  spinner: ['-', '\\', '|', '/'],
};

/** Signs for a terminal: the kernel's own console has no font for the others. */
export function symbolsFor(env: Readonly<Record<string, string | undefined>>): Symbols {
  return env['TERM'] === 'linux' ? ascii : unicode;
}
