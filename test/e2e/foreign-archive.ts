import {randomBytes} from 'node:crypto';
import {writeFile} from 'node:fs/promises';
import {run} from './command.ts';

/**
 * Downloads the essential packages of the container's own Debian, and makes packages of other architectures out of them:
 * same programs, another name on it. dpkg says its architecture in one string of its program.
 */
const prepare = `
set -eu
export DEBIAN_FRONTEND=noninteractive
apt-get -q update >/dev/null
apt-get -q install -y --no-install-recommends gpg gpg-agent >/dev/null
. /usr/lib/hypriotkit/common.sh
. /usr/lib/hypriotkit/private-apt.sh
own=$(dpkg --print-architecture)
private_apt /tmp/apt "$own" main >/dev/null
set -f
apt-get -q -y --download-only install '?essential' apt hello >/dev/null
set +f
mkdir -p /srv/debian
cd /srv/debian
export GNUPGHOME=/tmp/gnupg
mkdir -m 0700 -p "$GNUPGHOME"
for who in archive stranger; do
  gpg --batch --quiet --passphrase '' --quick-generate-key "$who <$who@test>" ed25519 sign never 2>/dev/null
  gpg --batch --armor --export "$who" >/srv/$who.asc
done
for architecture in "$@"; do
  mkdir -p "pool/$architecture" "dists/test/main/binary-$architecture"
  for deb in /tmp/apt/archives/*.deb; do
    tree=$(mktemp -d)
    dpkg-deb --raw-extract "$deb" "$tree"
    sed -i "s/^Architecture: $own\\$/Architecture: $architecture/" "$tree/DEBIAN/control"
    for program in "$tree"/usr/bin/dpkg*; do
      [ -f "$program" ] || continue
      OWN=$own NEW=$architecture perl -0777 -pi -e \\
        's/\\0\\Q$ENV{OWN}\\E\\0/"\\0" . pack("a" . (length($ENV{OWN}) + 1), $ENV{NEW})/ge' "$program"
    done
    dpkg-deb --root-owner-group -Zgzip -z1 --build "$tree" "pool/$architecture/" >/dev/null
    rm -rf "$tree"
  done
  index=dists/test/main/binary-$architecture/Packages
  for deb in pool/$architecture/*.deb; do
    dpkg-deb --field "$deb"
    printf 'Filename: %s\\nSize: %s\\nSHA256: %s\\n\\n' "$deb" "$(stat -c %s "$deb")" "$(sha256sum <"$deb" | cut -d ' ' -f 1)"
  done >$index
done
# Packages of our own, for every machine, beside those: what no other archive has, and what Docker's has.
mkdir -p /tmp/own/DEBIAN "dists/test/main/binary-$own" dists/test/main/binary-arm64
publish() {
  printf 'Package: %s\\nVersion: %s\\nArchitecture: all\\nMaintainer: test <test@localhost>\\nDescription: test\\n' \\
    "$1" "$2" >/tmp/own/DEBIAN/control
  deb=pool/$1_$(echo "$2" | tr : %)_all.deb
  dpkg-deb --root-owner-group --build /tmp/own "$deb" >/dev/null
  for index in "dists/test/main/binary-$own/Packages" dists/test/main/binary-arm64/Packages; do
    { dpkg-deb --field "$deb"
      printf 'Filename: %s\\nSize: %s\\nSHA256: %s\\n\\n' "$deb" "$(stat -c %s "$deb")" "$(sha256sum <"$deb" | cut -d ' ' -f 1)"
    } >>"$index"
  done
}
publish from-test-archive 1.0
for version in 28.5.0 28.5.1; do
  for name in docker-ce docker-ce-cli; do publish "$name" "5:$version-1~debian.13~trixie"; done
done
publish containerd.io 1.7.28-1
publish docker-compose-plugin 2.40.0-1~debian.13~trixie
cd dists/test
{ printf 'Origin: test\\nSuite: test\\nCodename: test\\nComponents: main\\nArchitectures: %s\\nDate: %s\\nSHA256:\\n' "$* $own arm64" "$(date -Ru)"
  for index in main/*/Packages; do
    printf ' %s %s %s\\n' "$(sha256sum <$index | cut -d ' ' -f 1)" "$(stat -c %s $index)" "$index"
  done
} >Release
gpg --batch --quiet --yes --local-user archive --clearsign --output InRelease Release`;

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

async function docker(...args: string[]): Promise<string> {
  const {status, stdout, stderr} = await run('docker', args);
  if (status !== 0) throw new Error(`docker ${args[0] ?? ''}: ${stderr}`);
  return stdout.trim();
}

/** A signed package archive, of the suite `test`, on the engine's default bridge. */
export class ForeignArchive {
  readonly address: string;
  readonly #container: string;

  private constructor(container: string, address: string) {
    this.#container = container;
    this.address = address;
  }

  /** Makes and serves an archive with the packages of a small system for some architectures. */
  static async start(baseImage: string, architectures: readonly string[]): Promise<ForeignArchive> {
    const id = `hypriotkit-test-archive-${randomBytes(4).toString('hex')}`;
    await docker('run', '-d', '--name', id, '--entrypoint', 'perl', baseImage, '-e', server);
    await docker('exec', id, 'sh', '-c', prepare, 'sh', ...architectures);
    const ip = await docker('inspect', '--format', '{{.NetworkSettings.IPAddress}}', id);
    return new ForeignArchive(id, `http://${ip}:8000/debian`);
  }

  /** Writes the public key that signs the archive, or that of a stranger, to a file. */
  async writeKey(file: string, who: 'archive' | 'stranger' = 'archive'): Promise<void> {
    await writeFile(file, await docker('exec', this.#container, 'cat', `/srv/${who}.asc`));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await run('docker', ['rm', '--force', '--volumes', this.#container]);
  }
}
