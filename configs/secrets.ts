import type {Node} from 'jsonc-parser';
import type {JsonDocument, Span} from './json-document.ts';
import {findNearestName} from './nearest-name.ts';

/** What is printed instead of a password. */
export const mask = '********';

/** Whether the value of a key of this name must not be printed; a misspelt "pasword" holds a password too. */
export function isSecretName(name: string): boolean {
  return /pass|pwd|secret/i.test(name) || findNearestName(name, ['password']) !== undefined;
}

/**
 * `text` with a `*` for each character of a password. Every other character keeps its place, so that lines and columns
 * stay right.
 */
export function maskSecrets(text: string, {root, comments}: JsonDocument): string {
  const spans: Span[] = [];
  if (root === undefined) {
    collectByWord(text, {offset: 0, length: text.length}, spans);
  } else {
    collectByKey(root, spans);
    for (const comment of comments) {
      collectByWord(text, comment, spans);
    }
  }
  spans.sort((a, b) => a.offset - b.offset);
  let masked = '';
  for (const {offset, length} of spans) {
    const start = Math.max(offset, masked.length);
    masked += text.slice(masked.length, start);
    masked += text.slice(start, offset + length).replaceAll(/[^\r\n]/g, '*');
  }
  return maskUserInfo(masked + text.slice(masked.length));
}

// Up to the last @: a password that should have been escaped may have one in it.
const userInfo = /(?<=:(?:\\?\/){2})[^\s"/]+(?=@)/g;

/** `text` without the user names and passwords that its addresses carry. */
export function maskUserInfo(text: string): string {
  return text.replaceAll(userInfo, (found) => '*'.repeat(found.length));
}

/** A private key where the name of its file belongs. */
function isPastedKey({type, value}: Node): boolean {
  return type === 'string' && holdsPrivateKey(String(value));
}

/** Whether a text has a private key in PEM form in it. */
export function holdsPrivateKey(text: string): boolean {
  return text.includes('PRIVATE KEY-----');
}

function collectByKey(node: Node, spans: Span[]): void {
  for (const child of node.children ?? []) {
    const [key, value] = child.type === 'property' ? (child.children ?? []) : [];
    if (isPastedKey(child)) spans.push(child);
    if (value !== undefined && isSecretName(String(key?.value))) {
      spans.push(value);
    } else {
      collectByKey(child, spans);
    }
  }
}

/** For text that is not JSON: all that follows the word on its line, or on the next one, may be the password. */
function collectByWord(text: string, {offset, length}: Span, spans: Span[]): void {
  const word = /[\w\\-]+/g;
  const separator = /["']?\s*[:=]?\s*/y;
  word.lastIndex = offset;
  for (let match = word.exec(text); match !== null; match = word.exec(text)) {
    if (match.index >= offset + length) {
      return;
    }
    if (isSecretName(match[0])) {
      separator.lastIndex = word.lastIndex;
      separator.exec(text);
      const lineEnd = /[\r\n]|$/g;
      lineEnd.lastIndex = separator.lastIndex;
      const end = lineEnd.exec(text)?.index ?? text.length;
      spans.push({offset: separator.lastIndex, length: end - separator.lastIndex});
      word.lastIndex = end;
    }
  }
}
