import type Docker from 'dockerode';
import {execFile, spawn} from 'node:child_process';
import {promisify} from 'node:util';

const run = promisify(execFile);

/** Modules of perl that the worker's program uses. */
const modules = [
  'Digest::SHA Errno Fcntl File::Temp IO::Handle IO::Socket::IP IPC::Open2',
  'JSON::PP MIME::Base64 POSIX Time::HiRes',
].join(' ');

/** What it and the stub steps run. */
const programs = 'perl sh cat sleep tar sha256sum mkdir truncate dd openssl';

/**
 * Gives an engine a small image in which a worker runs: perl, a shell and a few programs of this machine. A real base
 * image takes minutes to make, and nothing of it is needed here.
 */
export async function importStubImage(docker: Docker, name: string): Promise<void> {
  const script = `
    paths=$(for program in ${programs}; do command -v "$program"; done)
    # All of the small perl: it finds parts of itself by their names only when they are needed.
    base=$(perl -MConfig -e 'print "$Config{privlibexp}/unicore"; print " $_" for grep { m{/perl-base$} } @INC')
    loaded=$(perl ${modules
      .split(' ')
      .map((module) => `-M${module}`)
      .join(' ')} -e 'print "$_\\n" for (grep { m{^/} } values %INC), @DynaLoader::dl_shared_objects')
    { echo "$paths"; echo "$loaded"; for folder in $base; do [ ! -d "$folder" ] || find "$folder" -type f; done
      for file in $paths $(echo "$loaded" | grep '\\.so$'); do ldd "$file" 2>/dev/null || :; done |
        sed -n 's/.*[[:space:]]\\(\\/[^ ]*\\) (0x.*/\\1/p'
    } | sort -u | sed 's,^/,,'`;
  const {stdout: files} = await run('sh', ['-euc', script]);
  const tar = spawn('tar', ['-C', '/', '-hcf', '-', '--no-recursion', '-T', '-'], {
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  tar.stdin.end(files);
  const [repo = '', tag = 'latest'] = name.split(':');
  const answer = await docker.importImage(tar.stdout, {
    repo,
    tag,
    changes: ['ENV PATH=/usr/bin:/bin'],
  });
  answer.resume();
  await new Promise((resolve, reject) => answer.once('end', resolve).once('error', reject));
}
