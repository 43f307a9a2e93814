/**
 * A pattern for paths: with `/` in front it starts at the root, without it matches anywhere. `*`, `?` and `[…]` stay within
 * a name, a `**` between two `/` stands for any number of folders.
 */
export function compilePattern(pattern: string): RegExp {
  const isRooted = pattern.startsWith('/');
  const parts = pattern.replace(/^\/+/, '').replace(/\/+$/, '').split('/');
  const body = parts
    .map((part, index) => {
      const isLast = index === parts.length - 1;
      if (part === '**') return isLast ? '.*' : '(?:[^/]+/)*';
      return translate(part) + (isLast ? '' : '/');
    })
    .join('');
  return new RegExp(`^${isRooted ? '/' : '/(?:.*/)?'}${body}$`, 's');
}

function translate(part: string): string {
  let expression = '';
  for (let at = 0; at < part.length; at++) {
    const character = part.charAt(at);
    const end = character === '[' ? part.indexOf(']', at + 2) : -1;
    if (character === '*') expression += '[^/]*';
    else if (character === '?') expression += '[^/]';
    else if (end !== -1) {
      const set = part
        .slice(at + 1, end)
        .replace(/^!/, '^')
        .replace(/[\\[\]]/g, '\\$&');
      expression += `[${set}]`;
      at = end;
    } else expression += character.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  }
  return expression;
}
