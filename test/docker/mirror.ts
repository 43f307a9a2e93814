import {randomBytes} from 'node:crypto';
import {run} from '../e2e/command.ts';

/** A web server for one folder, as small as apt allows. */
const server = `
use strict; use IO::Socket::INET;
my $listener = IO::Socket::INET->new(LocalPort => 8000, Listen => 50, ReuseAddr => 1) or die;
$SIG{CHLD} = "IGNORE";
while (my $client = $listener->accept) {
  next if fork;
  my ($path) = (<$client> // "") =~ m{^GET (/\\S*)};
  while (defined(my $line = <$client>)) { last if $line eq "\\r\\n" }
  $path =~ s/%([0-9A-Fa-f]{2})/chr hex $1/ge;
  if ($path !~ /\\.\\./ && -f "/srv$path" && open my $file, "<:raw", "/srv$path") {
    local $/; my $content = <$file>;
    print $client "HTTP/1.0 200 OK\\r\\nContent-Length: ", length $content, "\\r\\n\\r\\n", $content;
  } else { print $client "HTTP/1.0 404 Not Found\\r\\nContent-Length: 0\\r\\n\\r\\n" }
  exit;
}`;

/** Makes a firmware package of the given version and puts it into the pool and, alone, into the index. */
const publish = `
set -eu
version=$1
mkdir -p /srv/debian/pool/f /srv/debian/dists/trixie/non-free-firmware/binary-arm64
tree=$(mktemp -d)
mkdir -p "$tree/DEBIAN" "$tree/usr/lib/raspi-firmware/overlays" "$tree/usr/share/doc/raspi-firmware"
for file in bootcode.bin start.elf start4.elf fixup.dat fixup4.dat overlays/one.dtbo; do
  echo "$file of $version" >"$tree/usr/lib/raspi-firmware/$file"
done
echo licence >"$tree/usr/share/doc/raspi-firmware/copyright"
printf 'Package: raspi-firmware\\nVersion: %s\\nArchitecture: all\\nMaintainer: test <test@localhost>\\nDescription: test\\n' \\
  "$version" >"$tree/DEBIAN/control"
deb=pool/f/raspi-firmware_\${version}_all.deb
cd /srv/debian
dpkg-deb --root-owner-group --build "$tree" "$deb" >/dev/null
index=dists/trixie/non-free-firmware/binary-arm64/Packages
{ dpkg-deb --field "$deb"
  printf 'Filename: %s\\nSize: %s\\nSHA256: %s\\n' "$deb" "$(stat -c %s "$deb")" "$(sha256sum <"$deb" | cut -d ' ' -f 1)"
} >$index
{ printf 'Suite: trixie\\nCodename: trixie\\nComponents: non-free-firmware\\nArchitectures: arm64\\nDate: %s\\nSHA256:\\n' "$(date -Ru)"
  printf ' %s %s non-free-firmware/binary-arm64/Packages\\n' "$(sha256sum <$index | cut -d ' ' -f 1)" "$(stat -c %s $index)"
} >dists/trixie/Release`;

async function docker(...args: string[]): Promise<string> {
  const {status, stdout, stderr} = await run('docker', args);
  if (status !== 0) throw new Error(`docker ${args[0] ?? ''}: ${stderr}`);
  return stdout.trim();
}

/** A mirror of one package on the engine's default bridge, and a base image that trusts it. */
export class TestMirror {
  readonly address: string;
  /** Base image for builds: the real one, told to accept what nobody has signed. */
  readonly image: string;
  readonly #container: string;

  private constructor(container: string, image: string, address: string) {
    this.#container = container;
    this.image = image;
    this.address = address;
  }

  static async start(baseImage: string): Promise<TestMirror> {
    const id = `hypriotkit-test-mirror-${randomBytes(4).toString('hex')}`;
    await docker('run', '-d', '--name', id, '--entrypoint', 'perl', baseImage, '-e', server);
    const insecure = `printf 'Acquire::AllowInsecureRepositories "true";\\nAPT::Get::AllowUnauthenticated "true";\\n' >/etc/apt/apt.conf.d/99test`;
    await docker('exec', id, 'sh', '-c', insecure);
    const image = `${id}:latest`;
    // Another identity: its build images must not be taken for those of the real base image.
    await docker('commit', '--change', `LABEL org.hypriotkit.identity=${id}`, id, image);
    const format = '{{.NetworkSettings.IPAddress}}';
    const ip = await docker('inspect', '--format', format, id);
    return new TestMirror(id, image, `http://${ip}:8000/debian`);
  }

  /** From now on the mirror has this version; an older one stays in the pool. */
  async publish(version: string): Promise<void> {
    await docker('exec', this.#container, 'sh', '-c', publish, 'sh', version);
  }

  /** Puts a file beside the packages; returns its address. */
  async put(name: string, content: Buffer): Promise<string> {
    const script = 'mkdir -p /srv/debian && printf %s "$2" | base64 -d >"/srv/debian/$1"';
    await docker('exec', this.#container, 'sh', '-c', script, 'sh', name, content.toString('base64'));
    return `${this.address}/${name}`;
  }

  /** Removes a version from the pool. */
  async drop(version: string): Promise<void> {
    await docker('exec', this.#container, 'rm', `/srv/debian/pool/f/raspi-firmware_${version}_all.deb`);
  }

  async stop(): Promise<void> {
    await docker('stop', '--time', '0', this.#container);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await run('docker', ['rm', '--force', '--volumes', this.#container]);
    const built = await run('docker', [
      'images',
      '-q',
      '--filter',
      `label=org.hypriotkit.identity=${this.#container}`,
    ]);
    await run('docker', ['rmi', '--force', ...built.stdout.split('\n').filter(Boolean), this.image]);
  }
}
