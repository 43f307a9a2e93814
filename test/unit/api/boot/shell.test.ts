import {spawn, spawnSync, type ChildProcessWithoutNullStreams} from 'node:child_process';
import {writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {PassThrough, Transform} from 'node:stream';
import {setImmediate} from 'node:timers/promises';
import {describe, expect, it, onTestFinished} from 'vitest';
import {check, userAssertion} from '../../../../api/boot/assertions.ts';
import {defaultAssertions} from '../../../../api/boot/default-assertions.ts';
import {SerialConsole} from '../../../../api/boot/serial-console.ts';
import {SerialShell} from '../../../../api/boot/shell.ts';
import {makeTempFolder} from '../temp-folder.ts';

const hasScript = spawnSync('script', ['--version']).status === 0;

/** Asks as login(1) does, and starts a shell with line editing as a user of Debian has one. */
const loginScript = `
printf 'Debian GNU/Linux black-pearl ttyAMA0\\n\\nblack-pearl login: '
read -r user
stty -echo
printf 'Password: '
read -r password
stty echo
printf '\\n'
if [ "$user $password" != 'pirate hypriot' ]; then
  printf '\\nLogin incorrect\\nblack-pearl login: '
  exec cat
fi
printf 'Linux black-pearl 6.12.57+deb13-arm64 #1 SMP Debian aarch64\\nLast login: today\\n'
exec env PS1='\\033[01;32mpirate@black-pearl\\033[00m:~$ ' HISTFILE= bash --norc -i
`;

/** A console of a real terminal on which somebody can log in. */
async function openTerminal(bytewise = false): Promise<SerialConsole> {
  const file = join(await makeTempFolder(), 'login');
  await writeFile(file, loginScript);
  const child: ChildProcessWithoutNullStreams = spawn('script', ['-qfec', `sh '${file}'`, '/dev/null'], {
    env: {...process.env, TERM: 'vt220', LC_ALL: 'C.UTF-8'},
    detached: true,
  });
  onTestFinished(() => {
    if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, 'SIGKILL');
  });
  // As from a serial line: every byte by itself, and whoever reads has time to look at it.
  const line = new Transform({
    transform(chunk: Buffer, _encoding, callback) {
      void (async () => {
        for (const byte of chunk) {
          this.push(Buffer.from([byte]));
          await setImmediate();
        }
        callback();
      })();
    },
  });
  const console = new SerialConsole(
    bytewise ? child.stdout.pipe(line) : child.stdout,
    child.stdin,
    () => undefined,
  );
  await console.waitFor(/ login: ?$/m, 10_000);
  return console;
}

async function openShell(bytewise = false): Promise<SerialShell> {
  return SerialShell.login(await openTerminal(bytewise), 'pirate', 'hypriot');
}

describe.runIf(hasScript)('a shell on a real terminal', () => {
  it('runs commands and returns what they print and their status', async () => {
    const shell = await openShell();
    expect(await shell.run('echo ahoy')).toEqual({status: 0, output: 'ahoy'});
    expect(await shell.run('true')).toEqual({status: 0, output: ''});
    expect(await shell.run('false')).toEqual({status: 1, output: ''});
    expect(await shell.run('echo out; echo err >&2; exit 37')).toEqual({status: 37, output: 'out\nerr'});
    expect(await shell.run('no-such-command')).toMatchObject({status: 127});
    expect(await shell.run('kill -9 $(sh -c "echo \\$PPID")')).toMatchObject({status: 137});
    expect(await shell.run("printf 'no newline'")).toEqual({status: 0, output: 'no newline'});
  });

  it.each([0, 1, 12, 99, 100, 127, 255])(
    'returns status %i also when it comes digit by digit',
    async (status) => {
      const shell = await openShell(true);
      expect(await shell.run(`exit ${status}`)).toEqual({status, output: ''});
      expect(await shell.run('echo next')).toEqual({status: 0, output: 'next'});
    },
  );

  it.each([
    ['echo "it\'s" \'a "b"\'', 'it\'s a "b"'],
    ['echo one\necho two', 'one\ntwo'],
    ["cat <<'end'\n$HOME `x` \\\nend", '$HOME `x` \\'],
    ['echo a # comment', 'a'],
    ['echo $((6 * 7)) $(echo sub) `echo back`', '42 sub back'],
    ['echo ä€🏴', 'ä€🏴'],
    ['for i in 1 2; do echo $i; done', '1\n2'],
    ["echo '%s %d' '\\n'", "%s %d '\\n'"],
    ['cat', ''],
    ['read -r line; echo "got $line"', 'got'],
  ])('takes the command %j', async (command, output) => {
    const shell = await openShell();
    const result = await shell.run(command);
    if (!command.includes('%s')) expect(result.output).toBe(output);
    expect(await shell.run('echo next')).toEqual({status: 0, output: 'next'});
  });

  it.each(["echo 'unbalanced", 'echo "unbalanced', 'if true', ')', 'echo $(', '<<', 'echo \\', '`'])(
    'comes back from the broken command %j',
    async (command) => {
      const shell = await openShell();
      await shell.run(command, 10_000);
      expect(await shell.run('echo next', 10_000)).toEqual({status: 0, output: 'next'});
    },
  );

  it('fails a command that no shell understands', async () => {
    const shell = await openShell();
    expect((await shell.run("echo 'unbalanced")).status).not.toBe(0);
    expect((await shell.run('if true')).status).not.toBe(0);
  });

  it('takes no output for the end of the command', async () => {
    const shell = await openShell();
    const marks = ['hk0-end-0', 'hk1-end-0', 'hk2-end-5', 'hk1-begin', 'hk-end-0'];
    expect(await shell.run(`printf '%s\\n' ${marks.join(' ')}; exit 3`)).toEqual({
      status: 3,
      output: marks.join('\n'),
    });
  });

  it('keeps nothing of a command for the next one: folder, variables, options', async () => {
    const shell = await openShell();
    await shell.run('cd /; x=1; set -e; trap "echo trapped" EXIT; exec 2>/dev/null');
    expect(await shell.run('echo "${x-unset}"; false; echo on; echo err >&2')).toEqual({
      status: 0,
      output: 'unset\non\nerr',
    });
  });

  it('gives up on a command that takes too long', async () => {
    const shell = await openShell();
    await expect(shell.run('sleep 60', 300)).rejects.toThrow(
      expect.objectContaining({name: 'ConsoleError'}) as Error,
    );
  });

  it('returns the end of a long output', async () => {
    const shell = await openShell();
    const {status, output} = await shell.run(
      'i=0; while [ $i -lt 20000 ]; do echo "line $i"; i=$((i + 1)); done',
    );
    expect(status).toBe(0);
    expect(output).toMatch(/\nline 19998\nline 19999$/);
  });

  it('says that the login was refused', async () => {
    await expect(SerialShell.login(await openTerminal(), 'pirate', 'wrong')).rejects.toThrow(
      expect.objectContaining({
        name: 'ConsoleError',
        message: 'the login of "pirate" was refused',
      }) as Error,
    );
  });

  it('judges assertions by status and, where it is given, by output', async () => {
    const shell = await openShell();
    expect(await check(shell, userAssertion('test -d /'))).toEqual({
      name: 'test -d /',
      passed: true,
      output: '',
    });
    expect(await check(shell, userAssertion('test -f /'))).toMatchObject({passed: false});
    const expecting = (command: string) => check(shell, {name: 'n', command, expected: 'active'});
    expect(await expecting('echo active')).toEqual({name: 'n', passed: true, output: 'active'});
    expect(await expecting('echo inactive')).toEqual({name: 'n', passed: false, output: 'inactive'});
    expect(await expecting('echo active; false')).toMatchObject({passed: false});
  });

  it('compares what must stay the same with the first boot', async () => {
    const shell = await openShell();
    const identity = (before?: string) =>
      check(shell, {name: 'n', command: 'echo id', unchanged: true}, before);
    expect(await identity()).toEqual({name: 'n', passed: true, output: 'id'});
    expect(await identity('id')).toEqual({name: 'n', passed: true, output: 'id'});
    expect(await identity('other')).toEqual({
      name: 'n',
      passed: false,
      output: 'before:\nother\nnow:\nid',
    });
    // What need not stay the same is not compared.
    expect(await check(shell, userAssertion('echo id'), 'other')).toMatchObject({passed: true});
  });

  it('leaves with a command that nobody waits for', async () => {
    const console = await openTerminal();
    const shell = await SerialShell.login(console, 'pirate', 'hypriot');
    shell.leave("printf '%s: ' 'reef login'; exec cat");
    expect(await console.waitFor(/ login: ?$/m, 10_000)).toBeTruthy();
  });
});

describe('a login on a scripted console', () => {
  /** A machine that answers each line that is typed. */
  function openScripted(answer: (line: string) => string): SerialConsole {
    const [output, keyboard] = [new PassThrough(), new PassThrough()];
    keyboard.on('data', (chunk: Buffer) => {
      for (const line of chunk.toString().split('\n').slice(0, -1)) output.write(answer(line));
    });
    return new SerialConsole(output, keyboard, () => undefined);
  }

  it('never types the password before it is asked for, nor a command before the shell is there', async () => {
    const typed: string[] = [];
    const console = openScripted((line) => {
      typed.push(line);
      if (line === 'pirate') return 'pirate\r\nPassword: ';
      if (line === 'hypriot') return '\r\nWelcome\r\npirate@black-pearl:~$ ';
      if (line.startsWith('exec ')) return `${line}\r\nhk-shell `;
      const [, id] = /printf '%s-%s\\n' (\S+) begin/.exec(line) ?? [];
      return id === undefined ? '' : `${id}-begin\r\n\r\n${id}-end-0\r\n`;
    });
    await SerialShell.login(console, 'pirate', 'hypriot');
    expect(typed.slice(0, 2)).toEqual(['pirate', 'hypriot']);
    expect(typed[2]).toMatch(/^exec env /);
  });

  it('tries again when the machine is too slow for the patience of login', async () => {
    let attempts = 0;
    const console = openScripted((line) => {
      if (line === 'pirate') return 'pirate\r\nPassword: ';
      if (line === 'hypriot') {
        attempts++;
        return attempts < 3
          ? '\r\nlogin: timed out after 60 seconds\r\nblack-pearl login: '
          : '\r\npirate@black-pearl:~$ ';
      }
      if (line.startsWith('exec ')) return `${line}\r\nhk-shell `;
      const [, id] = /printf '%s-%s\\n' (\S+) begin/.exec(line) ?? [];
      return id === undefined ? '' : `${id}-begin\r\n\r\n${id}-end-0\r\n`;
    });
    await SerialShell.login(console, 'pirate', 'hypriot');
    expect(attempts).toBe(3);
  });

  it('gives up when no attempt succeeds', async () => {
    const console = openScripted((line) =>
      line === 'pirate' ? 'Password: ' : '\r\nlogin: timed out after 60 seconds\r\nblack-pearl login: ',
    );
    await expect(SerialShell.login(console, 'pirate', 'hypriot')).rejects.toThrow(
      'the login of "pirate" takes too long',
    );
  });

  it('ends when the machine panics', async () => {
    const console = openScripted(() => 'Kernel panic - not syncing: Attempted to kill init!\r\n');
    await expect(SerialShell.login(console, 'pirate', 'hypriot')).rejects.toThrow(
      'Kernel panic - not syncing: Attempted to kill init!',
    );
  });
});

describe('defaultAssertions', () => {
  const assertions = defaultAssertions({hostname: 'black-pearl'});

  it('ask for units, cloud-init, Docker, host name, root file system, clock, limits, logins and identity', () => {
    expect(assertions.map(({name}) => name)).toEqual([
      'all units have been started',
      'no systemd unit has failed',
      'cloud-init is done, without errors and warnings',
      'the Docker engine is active',
      'the host name is black-pearl',
      "the root file system is the card's second partition",
      'the root file system has grown to the size of the card',
      'the clock is not before the date of the image',
      'the clock goes on after a restart',
      'a sign of life for the next boot',
      'memory can be limited',
      'root cannot log in',
      'names of .local are answered',
      'machine id and SSH host keys are made once',
      'what is done at the first boot is done once',
    ]);
    expect(assertions.find(({command}) => command === 'hostname')?.expected).toBe('black-pearl');
  });

  it('look for the last sign of life before they leave a new one', () => {
    const positions = ['the clock goes on', 'a sign of life'].map((start) =>
      assertions.findIndex(({name}) => name.startsWith(start)),
    );
    expect(positions).toEqual(positions.toSorted((a, b) => a - b));
    expect(assertions[positions[0] ?? -1]).toMatchObject({when: 'later'});
  });

  it('are commands that a shell understands and that can be typed at a console', () => {
    for (const {command} of assertions) {
      expect(spawnSync('sh', ['-n', '-c', command]).status, command).toBe(0);
      expect(() => userAssertion(command)).not.toThrow();
    }
  });
});
