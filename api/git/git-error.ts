import {PipelineError} from '../errors.ts';

/** What git says, and what it means to who reads it. The first that fits counts. */
const meanings: readonly (readonly [said: RegExp, hint: string])[] = [
  [
    /Authentication failed|could not read (?:Username|Password)|Permission denied|terminal prompts disabled/i,
    'git could not log in. Private repositories work with your own ssh keys and credential helpers: try `git ls-remote` with the address.',
  ],
  [
    /repository .*not found|does not appear to be a git repository|not found/i,
    'Is the address right, and may you read the repository? Try `git ls-remote` with it.',
  ],
  [
    /Could not resolve host|unable to connect|Connection refused|timed out|unable to access|early EOF|hung up|disconnect|RPC failed|index-pack/i,
    'The repository could not be reached or the connection broke. What has been fetched is kept: run the command again.',
  ],
  [/No space left on device/i, 'The disk that holds your cache folder is full.'],
];

/** Turns git's failure into an error that says which repository, and what to do. */
export function gitError(repository: string, doing: string, cause: unknown): PipelineError {
  const said = cause instanceof Error ? cause.message : String(cause);
  if (/spawn git ENOENT/.test(said)) {
    return new PipelineError(
      'SOURCE_UNAVAILABLE',
      `${doing} ${repository} needs git, which is not installed`,
      {
        hint: 'Install it; on Debian and Ubuntu: apt-get install -y git',
        cause,
      },
    );
  }
  const lines = said
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => /^(?:fatal|error|ERROR|remote):/.test(line));
  // The first says what happened; those after it are advice for people who typed the command.
  const what =
    lines[0]?.replace(/^(?:fatal|error|ERROR|remote): */, '') ??
    (said.trim().split('\n').at(-1) || 'git failed');
  return new PipelineError(
    'SOURCE_UNAVAILABLE',
    `${doing} ${withoutPassword(repository)}: ${withoutPassword(what)}`,
    {
      hint: meanings.find(([pattern]) => pattern.test(said))?.[1],
      cause,
    },
  );
}

/** An address to print: what stands before the @ may be a token. */
export function withoutPassword(text: string): string {
  return text.replace(/(\w+:\/\/)[^/@\s]+@/g, '$1');
}
