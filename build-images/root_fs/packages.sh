#!/bin/sh
# Step root_fs.packages: the packages of the root file system, installed but not configured for any
# one device. docs/build-images.md says what comes in and what goes out.
set -eu
# shellcheck source=../base_image/lib/common.sh
. /usr/lib/hypriotkit/common.sh

: "${BUILD_ARCH:?}" "${SUITE:?}" "${PACKAGES:?}" "${SOURCE_DATE_EPOCH:?}"
# shellcheck disable=SC2086,SC2116 # a list, separated by one space each from here on
PACKAGES=$(echo $PACKAGES)
export PACKAGES
for package in $PACKAGES; do
	case $package in
	[a-z0-9]*) ;;
	*) die BAD_VALUE "'$package' is not the name of a package" 'Correct root_fs.packages in configs.json.' ;;
	esac
done

# In the work folder and not in /tmp: a volume is faster than the container's overlay.
export PACKAGES_WORK="$PWD/.work"
work=$PACKAGES_WORK
rm -rf "$work"
mkdir -p "$work/tmp"
# A failed step leaves nothing that looks like an output.
trap '[ -e "$work/done" ] || rm -f rootfs-packages.tar.zst; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

# Ends the step with the reason that is in the log $1, in words that a user can act on; returns when
# it is none of those that are known.
explain_failure() {
	# The first match of an expression with one group, or nothing.
	first() { sed -n "s/$1/\\1/p" "$log" | head -n 1; }
	log=$1
	network='Check the network of the Docker engine, or set "mirror" in configs.json to a mirror that it can reach.'

	package=$(first '.*Unable to locate package \(.*\)')
	[ -n "$package" ] || package=$(first ".*Package '\\(.*\\)' has no installation candidate.*")
	[ -n "$package" ] || package=$(first ".*Version '.*' for '\\(.*\\)' was not found.*")
	[ -z "$package" ] || die PACKAGE_NOT_FOUND "$mirror has no package '$package' for $SUITE on $BUILD_ARCH" \
		'Correct root_fs.packages in configs.json; the name of a virtual package does not do.'
	if grep -q "doesn't support architecture\|did not find any indices" "$log"; then
		die ARCHITECTURE_NOT_FOUND "$mirror has no $SUITE for $BUILD_ARCH" \
			'Choose another root_fs.target, or a mirror and a suite that have this architecture.'
	fi
	if grep -q 'Exec format error' "$log"; then
		die EMULATION_MISSING "programs for $BUILD_ARCH do not run on this engine" \
			'Let hypriotkit register the emulator (binfmt) again: another program may have removed it.'
	fi
	if grep -q 'No space left on device' "$log"; then
		die NO_SPACE 'the Docker engine has no space left' 'Remove what is not needed: docker system prune.'
	fi
	if grep -q 'Hash Sum mismatch\|File has unexpected size' "$log"; then
		die MIRROR_CHANGED "$mirror gave something else than its index says" \
			'It is being updated, or a proxy changed the file. Try again in some minutes.'
	fi
	reason=$(first '.*\(The following signatures .*\)')
	[ -n "$reason" ] || reason=$(first '.*\(is not signed.*\)')
	[ -n "$reason" ] || reason=$(first '.*\(Sub-process .* returned an error code.*sqv.*\)')
	[ -z "$reason" ] || die MIRROR_UNTRUSTED "$mirror cannot be trusted: $reason" \
		'The mirror must be signed with a key of the archive that this build image has.'
	reason=$(first '.*[EW]: \(Failed to fetch .*\)')
	[ -n "$reason" ] || reason=$(first '.*[EW]: \(The repository .*\)')
	case $reason in
	'') ;;
	*'does not have a Release file'*) die MIRROR_UNREACHABLE "$mirror cannot be used: $reason" \
		"Is there a suite named '$SUITE' on this mirror? Check root_fs.suite and mirror in configs.json." ;;
	*) die MIRROR_UNREACHABLE "$mirror cannot be used: $reason" "$network" ;;
	esac
	if grep -q 'unmet dependencies\|Unable to correct problems\|Unable to satisfy dependencies' "$log"; then
		die PACKAGES_CONFLICT 'the packages of root_fs cannot be installed together' 'The log says which of them exclude each other.'
	fi
}

keyring=
case $VARIANT in
debian) ;;
raspbian)
	[ -n "${MIRROR:-}" ] || die BAD_VALUE 'the target armhf-raspbian needs a mirror, Debian'\''s own have no Raspbian' \
		'Set "mirror" in configs.json to a Raspbian mirror.'
	keyring=/usr/share/keyrings/raspbian-archive-keyring.gpg
	[ -e "$keyring" ] || die KEYRING_MISSING "the build image has no key of the Raspbian archive ($keyring)" \
		'Use a build image of your own ("repo") that has it, or the target armhf-debian.'
	;;
*) die BAD_VALUE "the variant '$VARIANT' is not known: debian, raspbian" ;;
esac

# The target's apt sources: one mirror from the configuration, or all that this container's apt uses
# of the same archive (with -updates and -security where it has them).
if [ -n "${MIRROR:-}" ]; then
	printf 'deb %s%s %s main\n' "${keyring:+[signed-by=$keyring] }" "${MIRROR%/}/" "$SUITE"
else
	builder=$(. /etc/os-release && printf '%s' "$VERSION_CODENAME")
	# shellcheck disable=SC2016
	apt-get indextargets --no-release-info --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
		awk -v builder="$builder" -v suite="$SUITE" '
			{ if ($2 == builder) $2 = suite; else if (index($2, builder "-") == 1) $2 = suite substr($2, length(builder) + 1) }
			{ print "deb", $1, $2, $3 }'
fi | sort -u >"$work/sources.list"
mirror=$(awk 'NR == 1 { print $(NF - 2) }' "$work/sources.list")
[ -n "$mirror" ] || die MIRROR_UNREACHABLE "the build container's apt has no package source" 'Set "mirror" in configs.json.'

say "installing packages for $BUILD_ARCH from $mirror"

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
			mmdebstrap --mode=root --variant=minbase --format=tar \
			--skip=check/qemu,check/canmount \
			--architectures="$BUILD_ARCH" \
			--include="$(printf '%s' "$PACKAGES" | tr ' ' ,)" \
			--setup-hook='/builder/hook-setup.sh "$1"' \
			--extract-hook='/builder/hook-extract.sh "$1"' \
			--customize-hook='/builder/hook-customize.sh "$1"' \
			"$SUITE" rootfs-packages.tar.zst - <"$work/sources.list" || echo failed >"$work/failed"
	} 2>&1 | tee "$work/log" | sed -u -e '/^W: \(cannot mount\|skipping\|mount --make\|gpg --version\)/d' \
		-e '/^unshare: unshare failed/d' -e '/^mount: \/: permission denied/d' -e '/^ *dmesg(1) may have/d'
	[ ! -e "$work/failed" ]
}

if ! install_packages; then
	explain_failure "$work/log"
	# A maintainer script that a native tool does not suit costs time, not the image.
	if grep -q '^native tools: [0-9]' "$work/log"; then
		say 'the packages could not be installed with native tools: once more, all emulated'
		export NATIVE_OVERLAY=off
		rm -rf "$work/tmp" && mkdir "$work/tmp"
		if install_packages; then :; else explain_failure "$work/log"; fi
	fi
	[ ! -e "$work/failed" ] || die PACKAGES_FAILED \
		"the packages could not be installed: $(sed -n 's/^E: //p' "$work/log" | head -n 1 | cut -c 1-300)" 'The lines above say what failed.'
fi

mv "$work/packages.tsv" packages.tsv
: >"$work/done"
say "$(wc -l <packages.tsv) packages, $(stat -c %s rootfs-packages.tar.zst) bytes"
