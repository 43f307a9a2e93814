import {createScanner, parseTree, printParseErrorCode, type Node, type ParseError} from 'jsonc-parser';

/** A part of a text, in UTF-16 code units. */
export interface Span {
  readonly offset: number;
  readonly length: number;
}

/** What makes a text not JSON. */
export interface SyntaxProblem {
  readonly span: Span;
  readonly message: string;
}

/** A JSON text whose values know where they stand. */
export interface JsonDocument {
  /** Undefined when the text is too broken to look for other problems in it. */
  readonly root: Node | undefined;
  /** In the order of the text. */
  readonly problems: readonly SyntaxProblem[];
  readonly comments: readonly Span[];
}

/** Our format is three levels deep; the parser is recursive and must not meet a tower of brackets. */
const maxDepth = 64;

/** The values of jsonc-parser's SyntaxKind, a `const enum` that `isolatedModules` cannot read. */
const Token = {
  openBrace: 1,
  closeBrace: 2,
  openBracket: 3,
  closeBracket: 4,
  comma: 5,
  lineComment: 12,
  blockComment: 13,
  lineBreak: 14,
  trivia: 15,
  endOfFile: 17,
} as const;

/** Reads JSON strictly, and goes on after the mistakes that leave no doubt: comments and trailing commas. */
export function parseJsonDocument(text: string): JsonDocument {
  const {comments, trailingCommas, tooDeep} = scan(text);
  const problems: SyntaxProblem[] = [
    ...comments.map((span) => ({span, message: 'JSON has no comments'})),
    ...trailingCommas.map((span) => ({span, message: 'JSON allows no comma after the last item'})),
  ];
  problems.sort((a, b) => a.span.offset - b.span.offset);
  const errors: ParseError[] = [];
  const root =
    tooDeep === undefined
      ? parseTree(text, errors, {disallowComments: false, allowTrailingComma: true})
      : undefined;
  const [first] = errors;
  const fatal = tooDeep ?? (first === undefined ? undefined : syntaxProblem(text, first));
  if (fatal === undefined) {
    return {root, problems, comments};
  }
  // What follows the first real error is mostly the parser's way of coping with it.
  const earlier = problems.filter(({span}) => span.offset < fatal.span.offset);
  return {root: undefined, problems: [...earlier, fatal], comments};
}

function scan(text: string) {
  const scanner = createScanner(text);
  const comments: Span[] = [];
  const trailingCommas: Span[] = [];
  let comma: Span | undefined;
  let depth = 0;
  let tooDeep: SyntaxProblem | undefined;
  for (;;) {
    const token: number = scanner.scan();
    const span = {offset: scanner.getTokenOffset(), length: scanner.getTokenLength()};
    switch (token) {
      case Token.endOfFile:
        return {comments, trailingCommas, tooDeep};
      case Token.lineBreak:
      case Token.trivia:
        continue;
      case Token.lineComment:
      case Token.blockComment:
        comments.push(span);
        continue;
      case Token.openBrace:
      case Token.openBracket:
        depth++;
        if (depth > maxDepth) {
          tooDeep ??= {span, message: `brackets are nested more than ${maxDepth} levels deep`};
        }
        break;
      case Token.closeBrace:
      case Token.closeBracket:
        depth--;
        if (comma !== undefined) {
          trailingCommas.push(comma);
        }
        break;
    }
    comma = token === Token.comma ? span : undefined;
  }
}

function syntaxProblem(text: string, {error, offset, length}: ParseError): SyntaxProblem {
  const end = text.trimEnd().length;
  if (end === 0) {
    const message = 'the file is empty; list what to build, for example {"rpi_sd_image": {}}';
    return {span: {offset: 0, length: 0}, message};
  }
  const code = printParseErrorCode(error);
  if (offset >= end) {
    // Just behind the last character, and not on the empty line after it.
    const message = `the file ends too early: ${messages[code] ?? code}`;
    return {span: {offset: end, length: 1}, message};
  }
  return {span: {offset, length: Math.max(1, length)}, message: messages[code] ?? `not JSON (${code})`};
}

const messages: Readonly<Record<string, string>> = {
  InvalidSymbol: 'not JSON: names and texts stand in double quotes',
  InvalidNumberFormat: 'not a JSON number',
  PropertyNameExpected: 'expected a name in double quotes',
  ValueExpected: 'expected a value',
  ColonExpected: 'expected ":" after the name',
  CommaExpected: 'expected a comma or a closing bracket before this',
  CloseBraceExpected: 'expected "}"',
  CloseBracketExpected: 'expected "]"',
  EndOfFileExpected: 'expected the end of the file',
  InvalidCommentToken: 'JSON has no comments',
  UnexpectedEndOfComment: 'JSON has no comments, and this one does not end',
  UnexpectedEndOfString: 'expected a closing double quote on the same line',
  UnexpectedEndOfNumber: 'expected more digits',
  InvalidUnicode: 'expected four hex digits after \\u',
  InvalidEscapeCharacter: 'not a JSON escape; write \\\\ for a backslash',
  InvalidCharacter: 'a line break, tab or control character in a text is written as \\n, \\t or \\u001f',
};
