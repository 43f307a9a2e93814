/** How the command ends, as its exit status; the README's table lists the same four. */
export const ExitCode = {
  /** Everything that was asked for is done. */
  Done: 0,
  /** Work began and failed, or a check did not hold. */
  Failed: 1,
  /** Nothing was begun: wrong usage, a wrong configuration, no usable engine. */
  NotStarted: 2,
  /** What the reference's `images_packer` ends with for wrong usage (EINVAL); no command of our own does. */
  InvalidArgument: 22,
  /** Stopped by Ctrl-C or SIGTERM (128 + SIGINT). */
  Interrupted: 130,
} as const;

export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];
