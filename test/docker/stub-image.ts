import type Docker from 'dockerode';
import {execFile, spawn} from 'node:child_process';
import {promisify} from 'node:util';

const run = promisify(execFile);

/** What the worker's program uses, and the stub steps with it. */
const modules = 'Digest::SHA Errno Fcntl IO::Handle IO::Socket::IP IPC::Open2 JSON::PP MIME::Base64 POSIX Time::HiRes';
const programs = ['perl', 'sh', 'cat', 'sleep', 'tar', 'sha256sum', 'mkdir'];

/**
 * Gives an engine a small image in which a worker runs: perl, a shell and a few programs of this machine. A base image
 * takes minutes to make, and nothing of it is needed here.
 */
export async function importStubImage(docker: Docker, name: string): Promise<void> {
  const list = modules.split(' ').map((module) => `use ${module};`);
  const loaded = 'print join("\\n", (grep { m{^/} } values %INC), @DynaLoader::dl_shared_objects), "\\n"';
  const {stdout: perl} = await run('perl', ['-e', `${list.join(' ')} strftime('%Y', gmtime(0)); sub strftime {} ${loaded}`]);
  const {stdout: found} = await run('sh', ['-c', 'command -v "$@"', 'sh', ...programs]).catch(() => ({stdout: ''}));
  const paths = found === '' ? await Promise.all(programs.map(locate)) : found.split('\n').filter(Boolean);
  const binaries = [...paths, ...perl.split('\n').filter((path) => path.endsWith('.so'))];
  const {stdout: linked} = await run('ldd', binaries);
  const libraries = [...linked.matchAll(/(\/\S+) \(0x/g)].map(([, path = '']) => path);
  // What perl looks for in its own files by their names: not all of it is loaded at the start.
  const files = [...new Set([...perl.split('\n').filter(Boolean), ...paths, ...libraries])];
  const tar = spawn('tar', ['-C', '/', '-hcf', '-', '--no-recursion', ...files.map((path) => path.slice(1))], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const [repo = '', tag = 'latest'] = name.split(':');
  const answer = (await docker.importImage(tar.stdout, {repo, tag, changes: ['ENV PATH=/usr/bin:/bin']})) as NodeJS.ReadableStream;
  answer.resume();
  await new Promise((resolve, reject) => answer.once('end', resolve).once('error', reject));
}

async function locate(program: string): Promise<string> {
  const {stdout} = await run('sh', ['-c', `command -v ${program}`]);
  return stdout.trim();
}
