/** More sentences than this on one line are not read by anybody. */
const mostShown = 8;

/** Sentences as one line, and how many more there are. */
export function abridge(sentences: readonly string[]): string {
  const hidden = sentences.length - mostShown;
  return sentences.slice(0, mostShown).join('; ') + (hidden > 0 ? `; and ${hidden} more` : '');
}
