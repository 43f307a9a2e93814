#!/bin/sh
# mmdebstrap's customize hook: everything is installed. Compares it with the list and takes out what
# must not be in an image, all of it natively.
set -eu
. /usr/lib/hypriotkit/common.sh
root=$1

/usr/lib/hypriotkit/native-tools.sh leave "$root" "$PACKAGES_LIST"

# shellcheck disable=SC2016
dpkg-query --admindir="$root/var/lib/dpkg" --show --showformat '${Package}\t${Version}\t${Architecture}\n' |
	LC_ALL=C sort >"$PACKAGES_WORK/installed"
cut -f 1-3 "$PACKAGES_LIST" | LC_ALL=C sort | diff - "$PACKAGES_WORK/installed" >&2 ||
	die LIST_INCOMPLETE 'what was installed is not what the list of packages says' \
		'The lines above name the packages (< in the list, > installed); please report this.'

# The device's own apt speaks to the mirror.
cat "$PACKAGES_SOURCES" >"$root/etc/apt/sources.list"
. /usr/lib/hypriotkit/apt-sources.sh
install_archive_keys "$root"
write_archive_sources "$root/etc/apt/sources.list.d"

/usr/lib/hypriotkit/clean-root.sh "$root"
