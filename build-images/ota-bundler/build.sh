#!/bin/sh
# Lays out the kernel as a root slot has it, with the program that brings it into the boot partition.
# A card has its first kernel in the boot partition only; an update is a root file system and nothing
# else. docs/build-images.md says what comes in and what goes out.
set -eu
. /usr/lib/hypriotkit/common.sh
: "${SOURCE_DATE_EPOCH:?}"

work=$PWD/.work
rm -rf "$work"
mkdir -p "$work/from"
root=$work/root

kernel=
for file in /inputs/rpi_kernel/*.tar.gz; do
	case $file in */bootfiles.tar.gz) ;; *) kernel=$file ;; esac
done
[ -f "$kernel" ] || die INPUT_MISSING 'there is no kernel tarball in /inputs/rpi_kernel' 'rpi_kernel must make <release>.tar.gz.'
release=$(basename "$kernel" .tar.gz)
say "Laying out kernel $release"
pigz -dc "$kernel" | tar --numeric-owner -xf - -C "$work/from" --exclude=lib ||
	die INPUT_BROKEN "$kernel cannot be unpacked" 'Run the same command again: a damaged file in the volume is found and built again.'

install -d -m 0755 "$root" "$root/boot" "$root/usr" "$root/usr/sbin"
put() { # file, name
	install -m 0644 "$1" "$root/boot/$2-$release"
	ln -s "$2-$release" "$root/boot/$2"
}
[ -f "$work/from/boot/kernel8.img" ] || die INPUT_BROKEN "$kernel has no boot/kernel8.img" 'An update needs a kernel of 64 bits: use that of rpi_kernel with repo "builtin".'
put "$work/from/boot/kernel8.img" vmlinuz
[ ! -e "$work/from/boot/initrd.img" ] || put "$work/from/boot/initrd.img" initrd.img
for tree in "$work/from/boot"/*.dtb; do
	[ -e "$tree" ] || continue
	install -D -m 0644 "$tree" "$root/boot/dtbs/$release/${tree##*/}"
done
install -m 0755 /builder/flash-kernel "$root/usr/sbin/flash-kernel"

reproducible_tar -cf kernel.tar -C "$root" .
rm -rf "$work"
