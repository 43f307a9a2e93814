#!/bin/sh
# mmdebstrap's extract hook: the essential packages are unpacked, and no maintainer script has run yet.
set -eu
cut -f 1,2 --output-delimiter ' ' "$PACKAGES_LIST" >"$PACKAGES_WORK/versions"
/usr/lib/hypriotkit/native-tools.sh enter "$1" "$PACKAGES_WORK/versions"
