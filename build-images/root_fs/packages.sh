#!/bin/sh
# Step root_fs.packages: the packages of the root file system, installed but not configured for any
# one device. docs/build-images.md says what comes in and what goes out.
set -eu
# shellcheck source=../base_image/lib/common.sh
. /usr/lib/hypriotkit/common.sh
# shellcheck source=../base_image/lib/private-apt.sh
. /usr/lib/hypriotkit/private-apt.sh

: "${BUILD_ARCH:?}" "${SUITE:?}" "${PACKAGES=}" "${SOURCE_DATE_EPOCH:?}"
# shellcheck disable=SC2086,SC2116 # a list, separated by one space each from here on
PACKAGES=$(echo $PACKAGES)
export PACKAGES
list=/inputs/root_fs.resolve/list.tsv

# In the work folder and not in /tmp: a volume is faster than the container's overlay.
export PACKAGES_WORK="$PWD/.work"
work=$PACKAGES_WORK
rm -rf "$work"
mkdir -p "$work/tmp"
# A failed step leaves nothing that looks like an output.
trap '[ -e "$work/done" ] || rm -f rootfs-packages.tar.zst; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

# Ends the step with the reason that is in the log, in words that a user can act on; returns when it
# is none of those that are known.
explain_failure() {
	if grep -q 'Exec format error' "$work/log"; then
		die EMULATION_MISSING "programs for $BUILD_ARCH do not run on this engine" \
			'Let hypriotkit register the emulator (binfmt) again: another program may have removed it.'
	fi
	if grep -q 'No space left on device' "$work/log"; then
		die NO_SPACE 'the Docker engine has no space left' 'Remove what is not needed: docker system prune.'
	fi
	if grep -q 'Hash Sum mismatch\|File has unexpected size' "$work/log"; then
		die PACKAGE_BROKEN 'a package in the package cache is not what the list says' 'Run the same command again.'
	fi
}

# What the image's own apt will use, and what it is installed from: exactly the packages of the list.
PACKAGES_SOURCES="$work/sources.list"
PACKAGES_LIST=$list
export PACKAGES_SOURCES PACKAGES_LIST
target_sources >"$PACKAGES_SOURCES"
make_repository "$list" "$work/repository" >"$work/repository.list"

say "installing $(wc -l <"$list") packages for $BUILD_ARCH"

# The preload only acts inside the root file system, once `native-tools enter` has prepared it. The
# extract hook runs when the essential packages are unpacked and no maintainer script has run, the
# customize hook when everything is installed. The lines left out of the log are about mounts, which
# a plain container cannot make and the packages do not need.
# A fixed number of threads: with one, zstd may write another (equally good) stream.
# shellcheck disable=SC2016 # mmdebstrap's own $1
install_packages() {
	rm -f "$work/failed"
	{
		LD_PRELOAD=/usr/lib/hypriotkit/native-exec.so TMPDIR="$work/tmp" ZSTD_CLEVEL=3 ZSTD_NBTHREADS=4 \
			mmdebstrap --mode=root --variant="${INSTALL_VARIANT:-minbase}" --format=tar \
			--skip=check/qemu,check/canmount \
			--architectures="$BUILD_ARCH" \
			${PACKAGES:+--include="$(printf '%s' "$PACKAGES" | tr ' ' ,)"} \
			--setup-hook='/builder/hook-setup.sh "$1"' \
			--extract-hook='/builder/hook-extract.sh "$1"' \
			--customize-hook='/builder/hook-customize.sh "$1"' \
			"$SUITE" rootfs-packages.tar.zst - <"$work/repository.list" || echo failed >"$work/failed"
	} 2>&1 | tee "$work/log" | sed -u -e '/^W: \(cannot mount\|skipping\|mount --make\|gpg --version\)/d' \
		-e '/^unshare: unshare failed/d' -e '/^mount: \/: permission denied/d' -e '/^ *dmesg(1) may have/d'
	[ ! -e "$work/failed" ]
}

if ! install_packages; then
	explain_failure
	# A maintainer script that a native tool does not suit costs time, not the image.
	if grep -q '^native tools: [0-9]' "$work/log"; then
		say 'the packages could not be installed with native tools: once more, all emulated'
		export NATIVE_OVERLAY=off
		rm -rf "$work/tmp" && mkdir "$work/tmp"
		if install_packages; then :; else explain_failure; fi
	fi
	[ ! -e "$work/failed" ] || die PACKAGES_FAILED \
		"the packages could not be installed: $(sed -n 's/^E: //p' "$work/log" | head -n 1 | cut -c 1-300)" 'The lines above say what failed.'
fi

cut -f 1-4 "$list" >packages.tsv
: >"$work/done"
say "$(wc -l <packages.tsv) packages, $(stat -c %s rootfs-packages.tar.zst) bytes"
