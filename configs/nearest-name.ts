/** The known name that the writer of `text` most likely meant; undefined when none is near. */
export function findNearestName(text: string, known: readonly string[]): string | undefined {
  // A name that is far too long cannot be near, and the distance costs the product of both lengths.
  if (text.length > 64) {
    return undefined;
  }
  const wanted = normalize(text);
  const whole = findOnlyNameWith(wanted, known);
  if (whole !== undefined) {
    return whole;
  }
  let nearest: {readonly name: string; readonly distance: number} | undefined;
  for (const name of known) {
    const distance = editDistance(wanted, normalize(name));
    // One slip in three letters: "rpo" means rpi, "i486" i386; "mips" and "rpi" have nothing in common.
    const allowed = Math.floor(Math.max(wanted.length, name.length) / 3);
    if (distance <= allowed && distance < (nearest?.distance ?? Infinity)) {
      nearest = {name, distance};
    }
  }
  return nearest?.name;
}

/** "kernel" means rpi_kernel, but "rpi" means none of the three that start with it. */
function findOnlyNameWith(part: string, known: readonly string[]): string | undefined {
  const matches = known.filter((name) => `_${normalize(name)}_`.includes(`_${part}_`));
  return part.length >= 3 && matches.length === 1 ? matches[0] : undefined;
}

/** People mix up case, and the separators that our own names mix too. */
function normalize(name: string): string {
  return name.toLowerCase().replaceAll(/[\s_.-]+/g, '_');
}

/**
 * The Damerau-Levenshtein distance (optimal string alignment): how many insertions, deletions, replacements and swaps
 * of neighbours turn `a` into `b`.
 */
export function editDistance(a: string, b: string): number {
  let beforeLast: readonly number[] = [];
  let last: readonly number[] = Array.from({length: b.length + 1}, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = at(last, j - 1) + (a[i - 1] === b[j - 1] ? 0 : 1);
      const swapped =
        i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
          ? at(beforeLast, j - 2) + 1
          : Infinity;
      row.push(Math.min(at(last, j) + 1, at(row, j - 1) + 1, replaced, swapped));
    }
    beforeLast = last;
    last = row;
  }
  return at(last, b.length);
}

function at(row: readonly number[], index: number): number {
  return row[index] ?? Infinity;
}
