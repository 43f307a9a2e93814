import {findNodeAtLocation} from 'jsonc-parser';
import {dirname, join} from 'node:path';
import {parseJsonDocument} from '../../configs/json-document.ts';
import {readConfigText} from '../../configs/read-config-text.ts';
import {SourceText} from '../../configs/source-text.ts';
import {parseContentConfig, readContentConfig, withConfigFile, type LoadedConfig} from './read-config.ts';

const place = ['content_image', 'config'];

/**
 * Reads what a card is filled with: a file beside configs.json, or what stands in configs.json itself. Mistakes have
 * their position in the file where they are.
 *
 * @param file configs.json, absolute.
 * @throws ConfigError
 */
export async function readCardContent(
  content: string | Readonly<Record<string, unknown>>,
  file: string,
): Promise<Omit<LoadedConfig, 'text'>> {
  const folder = dirname(file);
  if (typeof content === 'string') return readContentConfig(join(folder, content), {isForCard: true});
  const source = await readConfigText(file);
  const {root} = parseJsonDocument(source.text);
  const node = root && findNodeAtLocation(root, place);
  const text = `${JSON.stringify(content, null, 2)}\n`;
  const inside =
    node === undefined
      ? // It comes from the matrix of the file, where it has no place of its own.
        new SourceText(file, text)
      : new SourceText(file, blankOutside(source.text, node.offset, node.length));
  const {config, warnings} = parseContentConfig(inside, {folder, isForCard: true});
  return {config: withConfigFile(config, text), warnings};
}

/** Everything else becomes blank, so that what is left stands on the same lines and in the same columns. */
function blankOutside(text: string, offset: number, length: number): string {
  const blank = (part: string) => part.replaceAll(/[^\r\n]/g, ' ');
  const end = offset + length;
  return blank(text.slice(0, offset)) + text.slice(offset, end) + blank(text.slice(end));
}
