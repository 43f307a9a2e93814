import type {Output} from '../../../cli/context.ts';

const escape = /\u001B\[(\??)(\d*)([A-Za-z])/y;

/** A terminal that understands what log-update and the live window write; anything else is an error. */
export class Terminal implements Output {
  readonly isTTY = true;
  columns: number;
  rows: number;
  /** How many times something was written. */
  writes = 0;
  cursorVisible = true;
  #lines: string[] = [''];
  #row = 0;
  #column = 0;

  constructor(columns = 80, rows = 24) {
    this.columns = columns;
    this.rows = rows;
  }

  /** Everything on the screen and above it, without the empty rows at the end. */
  get text(): string {
    return this.#lines.join('\n').trimEnd();
  }

  write(text: string): boolean {
    this.writes++;
    for (let at = 0; at < text.length;) {
      escape.lastIndex = at;
      const match = escape.exec(text);
      if (match !== null) {
        const [, mark = '', argument = '', name = ''] = match;
        this.#control(mark + name, argument);
        at = escape.lastIndex;
        continue;
      }
      this.#put(text.charAt(at));
      at++;
    }
    return true;
  }

  #put(character: string): void {
    if (character === '\n') {
      this.#row++;
      this.#column = 0;
      this.#lines[this.#row] ??= '';
    } else if (character === '\r') {
      this.#column = 0;
    } else {
      const line = (this.#lines[this.#row] ?? '').padEnd(this.#column);
      this.#lines[this.#row] = line.slice(0, this.#column) + character + line.slice(this.#column + 1);
      this.#column++;
    }
  }

  #control(name: string, argument: string): void {
    const count = Number(argument || 1);
    switch (name) {
      case 'A':
        this.#row = Math.max(0, this.#row - count);
        return;
      case 'B':
        this.#row = Math.min(this.#lines.length - 1, this.#row + count);
        return;
      case 'G':
        this.#column = 0;
        return;
      case 'K':
        this.#lines[this.#row] =
          argument === '2' ? '' : (this.#lines[this.#row] ?? '').slice(0, this.#column);
        return;
      case 'J':
        this.#lines.length = this.#row + 1;
        this.#lines[this.#row] = (this.#lines[this.#row] ?? '').slice(0, this.#column);
        return;
      case '?h':
      case '?l':
        if (argument === '25') this.cursorVisible = name === '?h';
        return;
      case 'm':
        return;
      default:
        throw new Error(`unknown control sequence ${name} ${argument}`);
    }
  }
}

/** An output that only collects. */
export class Collected implements Output {
  text = '';
  readonly isTTY: boolean;
  readonly columns: number | undefined;

  constructor(options: {isTTY?: boolean; columns?: number} = {}) {
    this.isTTY = options.isTTY ?? false;
    this.columns = options.columns;
  }

  write(text: string): boolean {
    this.text += text;
    return true;
  }
}
