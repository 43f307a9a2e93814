import {Range} from 'semver';

/**
 * Whether `text` is a range of versions as update agents read it: comparisons joined by a comma or a space (both must
 * hold) or by `||` (one must), with `!=` besides npm's operators.
 */
export function isVersionRange(text: string): boolean {
  if (text.trim() === '' || text.length > 256) return false;
  return text.split('||').every((alternative) => {
    // An operator may stand apart from its version; a hyphen between spaces is a range from – to.
    const joined = alternative.replaceAll(/([<>=!~^]+)\s+/g, '$1').trim();
    if (joined === '') return false;
    if (/\s-\s/.test(joined)) return isNpmRange(joined);
    return joined.split(/\s*,\s*|\s+/).every(isComparison);
  });
}

function isComparison(text: string): boolean {
  if (text === '' || /^(==|=>|=<|<>)/.test(text)) return false;
  const [, operator = '', version = ''] = /^(!=|[<>]=?|=|~>?|\^|)(.*)$/.exec(text) ?? [];
  if (!/^(?:[*xX]|\d+)(?:\.(?:[*xX]|\d+)){0,2}(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?$/.test(version))
    return false;
  return isNpmRange(operator === '!=' ? version : operator + version);
}

function isNpmRange(text: string): boolean {
  try {
    new Range(text);
    return true;
  } catch {
    return false;
  }
}
