import {execFile, spawnSync} from 'node:child_process';
import {writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {promisify} from 'node:util';
import {describe, expect, it} from 'vitest';
import {makeProbeProgram, probeArchitectures} from '../../../../api/engine/probe-program.ts';
import {makeTempFolder} from '../temp-folder.ts';

const hasReadelf = spawnSync('readelf', ['--version']).status === 0;

/** What `file` and the kernel look at: class, byte order, machine (ELF specification, `e_ident`, `e_machine`). */
const expected: Readonly<Record<string, {elfClass: number; order: number; machine: number; words: RegExp}>> =
  {
    arm64: {elfClass: 2, order: 1, machine: 183, words: /AArch64/},
    armhf: {elfClass: 1, order: 1, machine: 40, words: /ARM[^]*Version5 EABI, hard-float ABI/},
    mips: {elfClass: 1, order: 2, machine: 8, words: /MIPS R3000[^]*o32/},
    i386: {elfClass: 1, order: 1, machine: 3, words: /Intel 80386/},
    amd64: {elfClass: 2, order: 1, machine: 62, words: /X86-64/},
  };

async function writeProgram(architecture: string): Promise<string> {
  const path = join(await makeTempFolder(), 'probe');
  await writeFile(path, makeProbeProgram(architecture) ?? Buffer.alloc(0), {mode: 0o755});
  return path;
}

describe('makeProbeProgram', () => {
  it('knows every architecture of root_fs.target, and no other', () => {
    expect(probeArchitectures.toSorted()).toEqual(Object.keys(expected).toSorted());
    expect(makeProbeProgram('riscv64')).toBeUndefined();
  });

  it.each(probeArchitectures)('writes the header of an %s program', (architecture) => {
    const file = makeProbeProgram(architecture) ?? Buffer.alloc(0);
    const wanted = expected[architecture];
    expect(file.subarray(0, 4).toString('latin1')).toBe('\u007fELF');
    expect(file[4]).toBe(wanted?.elfClass);
    expect(file[5]).toBe(wanted?.order);
    expect(wanted?.order === 2 ? file.readUInt16BE(18) : file.readUInt16LE(18)).toBe(wanted?.machine);
  });

  it.runIf(hasReadelf).each(probeArchitectures)('is understood by readelf for %s', async (architecture) => {
    const path = await writeProgram(architecture);
    const {stdout, stderr} = await promisify(execFile)('readelf', ['--headers', '--wide', path], {
      env: {...process.env, LC_ALL: 'C'},
    });
    expect(stderr).toBe('');
    expect(stdout).toMatch(expected[architecture]?.words ?? /^$/);
    expect(stdout).toMatch(/Type:\s+EXEC/);
    // The whole file in one segment that can be executed, and the entry within it.
    const size = makeProbeProgram(architecture)?.length ?? 0;
    expect(stdout).toMatch(new RegExp(`LOAD +0x0+ 0x0*400000 .* 0x0*${size.toString(16)} .* R E 0x1000`));
    const entry = Number(/Entry point address:\s+(0x[0-9a-f]+)/.exec(stdout)?.[1]);
    expect(entry).toBe(0x400000 + size - 12);
  });

  it('ends with status 0 where it can run', async () => {
    const path = await writeProgram(process.arch === 'arm64' ? 'arm64' : 'amd64');
    expect(spawnSync(path)).toMatchObject({status: 0, signal: null});
  });
});
