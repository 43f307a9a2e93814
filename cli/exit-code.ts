/** How the command ends, as its exit status; the README's table lists the first three and the last. */
export const ExitCode = {
  /** Everything that was asked for is done. */
  Done: 0,
  /** Work began and failed, or a check did not hold. */
  Failed: 1,
  /** Nothing was begun: wrong usage, a wrong configuration, no usable engine. */
  NotStarted: 2,
  /** Of `content create`, as its reference: the configuration is wrong, or the output cannot be where it should. */
  InputWrong: 3,
  /** Of `content create`, as its reference: something that the configuration names cannot be had. */
  SourceMissing: 4,
  /** What the reference's `images_packer` ends with for wrong usage (EINVAL); no command of our own does. */
  InvalidArgument: 22,
  /** Stopped by Ctrl-C or SIGTERM (128 + SIGINT). */
  Interrupted: 130,
} as const;

export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];
