#!/bin/sh
# Step rpi_kernel.resolve for a kernel from git: which packages compile it on this machine, and the
# busybox of its initramfs, by asking the mirror once.
set -eu
. /usr/lib/hypriotkit/common.sh
. /usr/lib/hypriotkit/private-apt.sh

work=$(mktemp -d)
host=$(dpkg --print-architecture)

say 'Reading the package lists'
mkdir "$work/host"
# What the builder has is not installed again.
cp /var/lib/dpkg/status "$work/host/status"
private_apt "$work/host" "$host" main
compiler='gcc-aarch64-linux-gnu libc6-dev-arm64-cross'
[ "$host" != arm64 ] || compiler='gcc libc6-dev'
# shellcheck disable=SC2086 # a list
set -- $compiler gcc libc6-dev bc bison ccache flex libelf-dev libssl-dev make python3-minimal rsync
resolve_packages "$@" >"$work/list" 2>"$work/log" || {
	cat "$work/log" >&2
	die INSTALL_FAILED "apt cannot install $*: $(sed -n 's/^E: *//p' "$work/log" | head -n 1)" \
		'The log above has the reason.'
}

private_apt "$work/target" arm64 main
busybox=$(newest_version busybox-static)
list_packages "$busybox" >>"$work/list"
LC_ALL=C sort -u -o "$work/list" "$work/list"
mv "$work/list" list.tsv
say "$(wc -l <list.tsv) packages to compile with"
