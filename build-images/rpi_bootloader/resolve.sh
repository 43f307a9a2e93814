#!/bin/sh
# Step rpi_bootloader.resolve: which package the firmware comes from, by asking the mirror once.
set -eu
. /usr/lib/hypriotkit/common.sh
. /usr/lib/hypriotkit/private-apt.sh

work=$(mktemp -d)
say 'Reading the package lists'
private_apt "$work/apt" arm64 non-free-firmware
version=$(newest_version raspi-firmware)
list_packages "$version" >"$work/list"
mv "$work/list" list.tsv
say "$version"
