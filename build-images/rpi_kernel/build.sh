#!/bin/sh
# Makes the kernel tarballs out of Debian's arm64 kernel package. Nothing is compiled and nothing
# runs emulated: the packages are only unpacked.
set -eu
. /usr/lib/hypriotkit/common.sh
. /usr/lib/hypriotkit/private-apt.sh
. /builder/pack-kernel.sh

work=$(mktemp -d)
output=$PWD

list=/inputs/rpi_kernel.resolve/list.tsv

kernel=$(sed -n 's/^\(linux-image-[^\t]*\)\t.*/\1/p' "$list")
release=${kernel#linux-image-}
cut -f 1-4 "$list" >"$output/packages.tsv"

cd "$work"
say 'Unpacking the kernel'
dpkg-deb -x "$(package_file "$list" "$kernel")" kernel
dpkg-deb -x "$(package_file "$list" busybox-static)" busybox
mkdir -p tree/boot tree/lib
mv "kernel/usr/lib/modules" tree/lib/
[ "$(dd if="kernel/boot/vmlinuz-$release" bs=1 skip=56 count=4 2>/dev/null)" = "$(printf 'ARM\144')" ] ||
	die UNEXPECTED_PACKAGE "the kernel of $kernel is not a plain arm64 Image" 'The package has changed; please report this.'
add_kernel "kernel/boot/vmlinuz-$release" tree
cp "kernel/usr/lib/linux-image-$release"/broadcom/bcm2[78]*-rpi-*.dtb tree/boot/
for dtb in bcm2837-rpi-3-b bcm2711-rpi-4-b bcm2712-rpi-5-b; do
	[ -e "tree/boot/$dtb.dtb" ] || die UNEXPECTED_PACKAGE "$kernel has no device tree $dtb" \
		'The package has changed; please report this.'
done
cp "kernel/boot/config-$release" "$output/$release.config"

say 'Indexing the modules'
depmod -b tree "$release"

say 'Making the initramfs'
/builder/initramfs.sh tree "$release" busybox/usr/bin/busybox tree/boot/initrd.img

cd "$output"
pack_kernel "$work/tree" "$release"
