#!/bin/sh
# Makes rpi-bootloader.tar.gz: what the GPU of a Raspberry Pi loads before there is a kernel. The
# Pi 5 has its firmware in an EEPROM and takes only config.txt from the card.
set -eu
. /usr/lib/hypriotkit/common.sh
. /usr/lib/hypriotkit/private-apt.sh

work=$(mktemp -d)
output=$PWD

list=/inputs/rpi_bootloader.resolve/list.tsv

cd "$work"
say 'Unpacking raspi-firmware'
cut -f 1-4 "$list" >"$output/packages.tsv"
dpkg-deb -x "$(package_file "$list" raspi-firmware)" tree

mkdir boot
cp -R tree/usr/lib/raspi-firmware/. boot/
# The licence asks to go wherever the firmware goes.
cp tree/usr/share/doc/raspi-firmware/copyright boot/LICENCE.broadcom
for file in bootcode.bin start.elf start4.elf fixup.dat fixup4.dat overlays; do
	[ -e "boot/$file" ] || die UNEXPECTED_PACKAGE "raspi-firmware has no $file" \
		'The package has changed; please report this.'
done
find boot -type d -exec chmod 0755 {} + -o -type f -exec chmod 0644 {} +

say 'Packing rpi-bootloader.tar.gz'
reproducible_tar --owner=0 --group=0 -cf - boot | pigz -n -9 -p "$(($(nproc) + 1))" >"$output/rpi-bootloader.tar.gz"
cd "$output"
write_sha256 rpi-bootloader.tar.gz
