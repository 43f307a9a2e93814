#!/bin/sh
# Step rpi_sd_image.docker: installs Docker, and what only a card needs, into the packages of
# root_fs. docs/build-images.md says what comes in and what goes out.
set -eu
. /usr/lib/hypriotkit/common.sh
. /usr/lib/hypriotkit/private-apt.sh

: "${BUILD_ARCH:?}" "${SUITE:?}" "${DOCKER_ENGINE_VERSION:?}" "${DOCKER_COMPOSE_VERSION:?}"
# Maintainer scripts that ask systemd hear that it is not running.
export SYSTEMD_OFFLINE=1

work=$(mktemp -d)
root=$work/root
output=$PWD
# Of root_fs.packages, or of root_fs.scripts where the configuration has scripts.
for input in /inputs/root_fs.*/rootfs-packages.tar.zst; do :; done
# A root file system from elsewhere is a single tarball.
[ -e "$input" ] || input=$(echo /inputs/root_fs/*.tar.gz)
list=/inputs/rpi_sd_image.resolve/list.tsv

say 'Unpacking the root file system'
mkdir "$root"
tar --numeric-owner --xattrs --xattrs-include='*' -xpf "$input" -C "$root" ||
	die INPUT_BROKEN "$input cannot be unpacked" 'Run the same command again: a damaged file in the volume is found and built again.'

# The builder's apt works on the root file system from outside; only dpkg runs inside. It sees exactly
# the packages of the list.
apt=$work/apt
mkdir -p "$apt/lists/partial" "$apt/archives/partial" "$root/var/cache/apt/archives/partial" "$root/var/lib/apt/lists/partial"
cat >"$work/apt.conf" <<CONF
Dir "$root";
Dir::Etc "$root/etc/apt";
Dir::Etc::sourcelist "$work/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::trustedparts "/etc/apt/trusted.gpg.d";
Dir::Bin::methods "/usr/lib/apt/methods";
Dir::Bin::solvers "/usr/lib/apt/solvers";
Dir::Bin::planners "/usr/lib/apt/planners";
Dir::Bin::apt-key "/usr/bin/apt-key";
Dir::State::lists "$apt/lists";
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
Dir::Log "$apt";
APT::Architecture "$BUILD_ARCH";
APT::Architectures { "$BUILD_ARCH"; };
APT::Sandbox::User "root";
APT::Install-Recommends "false";
APT::Keep-Downloaded-Packages "true";
DPkg::Chroot-Directory "$root";
DPkg::Use-Pty "false";
CONF
make_repository "$list" "$work/repository" >"$work/sources.list"
export APT_CONFIG="$work/apt.conf"
apt_update

# shellcheck source=docker-packages.sh
. /builder/docker-packages.sh

# Nothing may be started in the chroot.
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
chmod 0755 "$root/usr/sbin/policy-rc.d"
echo force-unsafe-io >"$root/etc/dpkg/dpkg.cfg.d/hypriotkit-build"

# shellcheck disable=SC2086 # a list
set -- $docker_packages
say "Installing $*"
apt-get -q -y --download-only install "$@" >"$work/log" 2>&1 || {
	cat "$work/log" >&2
	die INSTALL_FAILED "apt cannot install $*: $(sed -n 's/^E: *//p' "$work/log" | head -n 1)" \
		'The log above has the reason.'
}
cut -f 1-4 "$list" >"$output/packages.tsv"

# What the target has now and will have: native-tools takes only twins of the same version.
# shellcheck disable=SC2016
{
	dpkg-query --admindir="$root/var/lib/dpkg" --show --showformat '${Package} ${Version}\n'
	cut -f 1,2 --output-delimiter ' ' "$output/packages.tsv"
} >"$work/versions"
/usr/lib/hypriotkit/native-tools.sh enter "$root" "$work/versions"
LD_PRELOAD=/usr/lib/hypriotkit/native-exec.so apt-get -q -y --no-download -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold install "$@" >"$work/log" 2>&1 || {
	cat "$work/log" >&2
	die INSTALL_FAILED "dpkg cannot install $*" 'The log above has the reason.'
}
grep "^Setting up" "$work/log"
/usr/lib/hypriotkit/native-tools.sh leave "$root" "$list"
# shellcheck disable=SC2016
dpkg-query --admindir="$root/var/lib/dpkg" --show --showformat '${Package}\t${Version}\t${Architecture}\n' >"$work/installed"
cut -f 1-3 "$list" | grep -vxF -f "$work/installed" >&2 &&
	die LIST_INCOMPLETE 'not everything that the list of packages names was installed' 'The lines above name it; please report this.'

# The device's own apt knows the archive that Docker came from.
install_archive_keys "$root"
write_archive_sources "$root/etc/apt/sources.list.d"

# What an installation leaves behind, and what differs from one to the next.
rm -f "$root/usr/sbin/policy-rc.d"
rm -rf "$root"/run/* "$root"/tmp/*
mkdir -p -m 1777 "$root/run/lock"
/usr/lib/hypriotkit/clean-root.sh "$root"
# The device's own apt finds newer firmware where this one came from.
sed -i 's/ main$/ main non-free-firmware/' "$root/etc/apt/sources.list"
say 'Compiling Python modules'
/usr/lib/hypriotkit/compile-python "$root"

say 'Packing the root file system'
cd "$output"
reproducible_tar -C "$root" -cf - . | zstd -q -3 -T2 -o rootfs-docker.tar.zst
say "$(wc -l <packages.tsv) more packages, $(stat -c %s rootfs-docker.tar.zst) bytes"
