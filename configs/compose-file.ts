import {LineCounter, parseDocument} from 'yaml';

/**
 * Why a text is no compose file, with the line where it is known. Looks only at what every compose file must have; what
 * its services say is compose's own business.
 */
export function findComposeProblem(
  text: string,
): {readonly line?: number; readonly message: string} | undefined {
  const lines = new LineCounter();
  // Aliases that grow without end are refused by the parser.
  const document = parseDocument(text, {lineCounter: lines, version: '1.2', merge: true});
  const [error] = document.errors;
  if (error !== undefined) {
    const {line} = lines.linePos(error.pos[0]);
    return {
      line,
      message: `is not YAML: ${error.message.split('\n')[0]?.replace(/ at line .*$/, '') ?? error.code}`,
    };
  }
  let content: unknown;
  try {
    content = document.toJS({maxAliasCount: 100});
  } catch (cause) {
    return {message: `cannot be read as YAML: ${cause instanceof Error ? cause.message : String(cause)}`};
  }
  const services =
    typeof content === 'object' && content !== null ? (content as {services?: unknown}).services : undefined;
  if (
    typeof services !== 'object' ||
    services === null ||
    Array.isArray(services) ||
    Object.keys(services).length === 0
  ) {
    return {message: 'must be a compose file: it needs `services` with at least one service'};
  }
  return undefined;
}
