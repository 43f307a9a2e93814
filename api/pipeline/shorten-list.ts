/** Two values that together are longer than this are hard to compare by eye. */
const longestPair = 120;

/** Of two long lists of words, only the words that the other one does not have; shorter ones as they are. */
export function shortenLists(before: string, now: string): [string, string] {
  if (before.length + now.length <= longestPair || !/\s/.test(before)) return [before, now];
  const words = (text: string) => text.split(/\s+/).filter(Boolean);
  const only = (text: string, other: string) => {
    const others = new Set(words(other));
    const found = words(text).filter((word) => !others.has(word));
    return found.length === 0 ? '…' : `… ${found.join(' ')} …`;
  };
  return [only(before, now), only(now, before)];
}
