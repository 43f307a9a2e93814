/** The lines of a stream up to its end, or up to the first empty one on a terminal; without the newline of the last. */
export async function readLines(input: NodeJS.ReadStream): Promise<readonly string[]> {
  let text = '';
  input.setEncoding('utf8');
  for await (const chunk of input) {
    text += String(chunk);
    if (input.isTTY && text.endsWith('\n')) break;
  }
  return text.replace(/\r?\n$/, '').split(/\r?\n/);
}
