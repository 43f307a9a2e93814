#!/bin/sh
# Step root_fs: the packages of root_fs.packages with the configuration of configs.json, as the
# artifact that Hypriot's os-rootfs makes. Nothing is emulated here.
set -eu
# shellcheck source=../base_image/lib/common.sh
. /usr/lib/hypriotkit/common.sh

: "${ROOT_FS_NAME:?}" "${SOURCE_DATE_EPOCH:?}"
# Of root_fs.packages, or of root_fs.scripts where the configuration has scripts.
for packages in /inputs/root_fs.*/rootfs-packages.tar.zst; do :; done
artifact=$ROOT_FS_NAME.tar.gz

# In the work folder and not in /tmp: a volume is faster than the container's overlay. Only the
# outputs are kept of it.
root=$PWD/.root
rm -rf "$root"
mkdir "$root"
say "unpacking the packages"
tar --zstd --numeric-owner --xattrs --xattrs-include='*' -xpf "$packages" -C "$root" ||
	die INPUT_BROKEN "$packages cannot be unpacked" 'Run the same command again: a damaged file in the volume is found and built again.'

say "configuring $HYPRIOT_HOSTNAME"
/usr/lib/hypriotkit/configure-root.sh "$root"
/usr/lib/hypriotkit/configure-system.sh "$root"
/usr/lib/hypriotkit/apply-overlay "$root"

say "packing $artifact"
# A fixed number of threads: with one, pigz writes another (equally good) stream.
# Level 2: the usual 6 takes three times as long for seven percent.
reproducible_tar --use-compress-program='pigz -2 --no-name --processes 4' -C "$root" -cf "$artifact" .
write_sha256 "$artifact"
say "$artifact: $(stat -c %s "$artifact") bytes"
