#!/bin/sh
# Step root_fs.resolve: decides which packages the root file system gets, by asking the mirror once.
# From then on its list decides. docs/build-images.md says what comes in and what goes out.
set -eu
# shellcheck source=../base_image/lib/common.sh
. /usr/lib/hypriotkit/common.sh
# shellcheck source=../base_image/lib/private-apt.sh
. /usr/lib/hypriotkit/private-apt.sh

: "${BUILD_ARCH:?}" "${SUITE:?}" "${PACKAGES=}"
# shellcheck disable=SC2086,SC2116 # a list, separated by one space each from here on
PACKAGES=$(echo $PACKAGES)
for package in $PACKAGES; do
	case $package in
	[a-z0-9]*) ;;
	*) die BAD_VALUE "'$package' is not the name of a package" 'Correct root_fs.packages in configs.json.' ;;
	esac
done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

# Ends the step with the reason that is in the log $1, in words that a user can act on; returns when
# it is none of those that are known.
explain_failure() {
	# The first match of an expression with one group, or nothing.
	first() { sed -n "s/$1/\\1/p" "$log" | head -n 1; }
	log=$1
	# Which of the archives it was.
	mirror=$(first "^[EW]: The repository '\\([^ ]*\\) .*")
	[ -n "$mirror" ] || mirror=$(first '^[EW]: .*GPG error: \([^ ]*\) .*')
	mirror=${mirror:-$archive}
	network='Check the network of the Docker engine, or set "mirror" in configs.json to a mirror that it can reach.'

	package=$(first '.*Unable to locate package \(.*\)')
	[ -n "$package" ] || package=$(first ".*Package '\\(.*\\)' has no installation candidate.*")
	[ -n "$package" ] || package=$(first ".*Version '.*' for '\\(.*\\)' was not found.*")
	[ -z "$package" ] || die PACKAGE_NOT_FOUND "$mirror has no package '$package' for $SUITE on $BUILD_ARCH" \
		'Correct packages and remove_packages of root_fs in configs.json; the name of a virtual package does not do.'
	if grep -q "doesn't support architecture\|did not find any indices" "$log"; then
		die ARCHITECTURE_NOT_FOUND "$mirror has no $SUITE for $BUILD_ARCH" \
			'Choose another root_fs.target, or a mirror and a suite that have this architecture.'
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
		'It must be signed with a key of Debian'\''s archive, or with one that keyring or apt_sources of root_fs in configs.json names.'
	reason=$(first '.*[EW]: \(Failed to fetch .*\)')
	[ -n "$reason" ] || reason=$(first '.*[EW]: \(The repository .*\)')
	case $reason in
	'') ;;
	*'does not have a Release file'*) die MIRROR_UNREACHABLE "$mirror cannot be used: $reason" \
		"Is there a suite named '$SUITE' on this mirror? Check root_fs.suite and mirror in configs.json." ;;
	*) die MIRROR_UNREACHABLE "$mirror cannot be used: $reason" "$network" ;;
	esac
	if grep -q 'unmet dependencies\|Unable to correct problems\|Unable to satisfy dependencies' "$log"; then
		die PACKAGES_CONFLICT 'the packages of root_fs cannot be installed together' 'The log says which of them exclude each other, or need what remove_packages forbids.'
	fi
}

case $VARIANT in
debian) ;;
raspbian)
	[ -n "${MIRROR:-}" ] && [ -n "${KEYRING:-}" ] || die BAD_VALUE \
		'the target armhf-raspbian needs a mirror and its keyring: Debian'\''s own have no Raspbian' \
		'Set mirror, suite and keyring of root_fs in configs.json to those of a Raspbian archive.'
	;;
*) die BAD_VALUE "the variant '$VARIANT' is not known: debian, raspbian" ;;
esac
# What mmdebstrap's variants install (INSTALL_VARIANT, empty: minbase).
case ${INSTALL_VARIANT:-minbase} in
apt) variant='?essential apt' ;;
minbase) variant='?essential ?priority(required) apt' ;;
important) variant='?essential ?priority(required) ?priority(important) apt' ;;
standard) variant='?essential ?priority(required) ?priority(important) ?priority(standard) apt' ;;
*) die BAD_VALUE "the variant '$INSTALL_VARIANT' is not known: apt, minbase, important, standard" ;;
esac

mkdir "$work/apt"
install_archive_keys ''
write_archive_sources "$work/apt/sources.list.d"
target_sources >"$work/apt/sources.list"
mirror=$(awk 'NR == 1 { print $(NF - 2) }' "$work/apt/sources.list")
archive=$mirror
[ -n "$mirror" ] || die MIRROR_UNREACHABLE "the build container's apt has no package source" 'Set "mirror" in configs.json.'

say "Reading the package lists of $mirror for $BUILD_ARCH"
configure_private_apt "$work/apt" "$BUILD_ARCH" main
# apt only warns where it could fall back to older lists: here that is a failure.
apt-get -q -o APT::Update::Error-Mode=any update >"$work/log" 2>&1 || {
	cat "$work/log" >&2
	explain_failure "$work/log"
	die MIRROR_UNREACHABLE "$mirror cannot be used" "$network"
}

say 'Choosing packages'
remove=
for package in ${REMOVE_PACKAGES:-}; do
	! apt-cache show "$package" 2>/dev/null | grep -qx 'Essential: yes' ||
		die BAD_VALUE "'$package' cannot be left out: it is essential" 'Take it out of root_fs.remove_packages in configs.json.'
	remove="$remove $package-"
done
# No pattern of files.
set -f
# shellcheck disable=SC2086 # lists
resolve_packages $PACKAGES $variant $remove >"$work/list" 2>"$work/log" || {
	cat "$work/log" >&2
	explain_failure "$work/log"
	die PACKAGES_FAILED "the packages cannot be installed: $(sed -n 's/^E: //p' "$work/log" | head -n 1 | cut -c 1-300)" 'The lines above say why.'
}
mv "$work/list" list.tsv
say "$(wc -l <list.tsv) packages"
