/**
 * Variables by which people tell git how to reach their private repositories, and those that are set here. simple-git
 * takes all others with the prefix away: a GIT_DIR from the caller's hook would point every command elsewhere.
 */
export const gitVariables: readonly string[] = [
  'GIT_SSH',
  'GIT_SSH_COMMAND',
  'GIT_ASKPASS',
  'SSH_ASKPASS',
  'GIT_PROXY_COMMAND',
  'GIT_SSL_CAINFO',
  'GIT_SSL_CAPATH',
  'GIT_TERMINAL_PROMPT',
  'GIT_AUTHOR_DATE',
  'GIT_COMMITTER_DATE',
];

/** Programs that git would start for a person at a terminal. */
const forPeople: readonly string[] = ['EDITOR', 'VISUAL', 'PAGER'];

/** The environment of git's commands: the caller's, without what belongs to another repository or to a terminal. */
export function gitEnvironment(more: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(
    ([name]) => gitVariables.includes(name) || !(name.startsWith('GIT_') || forPeople.includes(name)),
  );
  // Never a question that nobody sees: without a password it fails, and the error says so.
  return {...Object.fromEntries(kept), GIT_TERMINAL_PROMPT: '0', ...more};
}
