#!/bin/sh
# mmdebstrap's extract hook: the lists of apt are there, the essential packages are unpacked, and no
# maintainer script has run yet.
set -eu
root=$1
export APT_CONFIG="$MMDEBSTRAP_APT_CONFIG"

# What will be installed. A package that does not exist is found here, not after half a minute.
# shellcheck disable=SC2086
apt-get --simulate install $PACKAGES '?essential' '?priority(required)' apt \
	>"$PACKAGES_WORK/plan"
sed -n 's/^Inst \([^ :]*\)[^ ]* (\([^ ]*\) .*/\1 \2/p' "$PACKAGES_WORK/plan" >"$PACKAGES_WORK/versions"

/usr/lib/hypriotkit/native-tools.sh enter "$root" "$PACKAGES_WORK/versions"
