import {spawn} from 'node:child_process';
import {once} from 'node:events';
import {OtaError} from '../../ota-error.ts';
import type {XattrTarget} from './deploy-plan.ts';

interface Tool {
  readonly program: string;
  readonly args: readonly string[];
  readonly input: (targets: readonly XattrTarget[]) => string;
}

const pythonProgram = `
import base64, json, os, sys
for path, name, value in json.load(sys.stdin):
    os.setxattr(base64.b64decode(path), base64.b64decode(name), base64.b64decode(value), follow_symlinks=False)
`;

/** Node.js cannot set extended attributes; one of these does all of them in one go, in the folder where it is started. */
const tools: readonly Tool[] = [
  {program: 'setfattr', args: ['-h', '--restore=-'], input: setfattrInput},
  {program: 'python3', args: ['-I', '-c', pythonProgram], input: pythonInput},
];

/**
 * Sets the extended attributes, file capabilities among them, of paths below `root`.
 * @throws {OtaError} TOOL_MISSING, or IO_FAILED if the file system or the user may not have them
 */
export async function setXattrs(root: string, targets: readonly XattrTarget[]): Promise<void> {
  if (targets.length === 0) return;
  for (const tool of tools) if (await apply(tool, root, targets)) return;
  throw new OtaError('TOOL_MISSING', `The image has extended attributes, and nothing here can set them`, {
    hint: 'install setfattr (Debian: apt-get install -y attr) or python3',
  });
}

/** Returns false if the program is not there. */
async function apply(
  {program, args, input}: Tool,
  root: string,
  targets: readonly XattrTarget[],
): Promise<boolean> {
  const child = spawn(program, args, {cwd: root, stdio: ['pipe', 'ignore', 'pipe']});
  let complaint = '';
  child.stderr.on('data', (text: Buffer) => (complaint += text.toString().slice(0, 2000)));
  // It may end before it has read everything; its status tells why.
  child.stdin.on('error', () => undefined);
  const closed = once(child, 'close') as Promise<[number | null]>;
  child.stdin.end(input(targets));
  let status: number | null;
  try {
    [status] = await closed;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
  if (status === 0) return true;
  throw new OtaError('IO_FAILED', `Extended attributes could not be set: ${lastLine(complaint)}`, {
    hint: 'deploy as root, on a file system that keeps extended attributes',
  });
}

/** The form that `getfattr --dump` writes. */
function setfattrInput(targets: readonly XattrTarget[]): string {
  return targets
    .map(({path, xattrs}) => {
      const lines = [...xattrs].map(([name, value]) => `${escape(name)}=0s${base64(value)}`);
      return `# file: ${escape(`.${path}`)}\n${lines.join('\n')}\n\n`;
    })
    .join('');
}

/** Control characters, spaces, backslashes and equals signs as octal. */
function escape(text: string): string {
  return text.replace(/[^!-<>-[\]-~]/gu, (character) =>
    [...Buffer.from(character, 'utf8')].map((byte) => `\\${byte.toString(8).padStart(3, '0')}`).join(''),
  );
}

function pythonInput(targets: readonly XattrTarget[]): string {
  const entries = targets.flatMap(({path, xattrs}) =>
    [...xattrs].map(([name, value]) => [base64(`.${path}`), base64(name), base64(value)]),
  );
  return JSON.stringify(entries);
}

function base64(value: Uint8Array | string): string {
  return Buffer.from(value as Uint8Array).toString('base64');
}

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1) ?? '';
}
