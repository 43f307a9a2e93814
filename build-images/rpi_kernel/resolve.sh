#!/bin/sh
# Step rpi_kernel.resolve: which packages the kernel and its initramfs come from, by asking the mirror
# once.
set -eu
. /usr/lib/hypriotkit/common.sh
. /usr/lib/hypriotkit/private-apt.sh

work=$(mktemp -d)
say 'Reading the package lists'
private_apt "$work/apt" arm64 main

# linux-image-arm64 only names the package of the newest kernel.
kernel=$(apt-cache show --no-all-versions linux-image-arm64 2>/dev/null |
	sed -n 's/^Depends: *\(linux-image-[^ ,]*\).*/\1/p')
[ -n "$kernel" ] || die PACKAGE_NOT_FOUND 'the package mirror has no kernel for arm64 (linux-image-arm64)' \
	'Is "mirror" in configs.json a complete mirror of this Debian release?'
kernel=$(newest_version "$kernel")
busybox=$(newest_version busybox-static)
list_packages "$kernel" "$busybox" >"$work/list"
mv "$work/list" list.tsv
say "$kernel"
