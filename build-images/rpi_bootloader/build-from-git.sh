#!/bin/sh
# Makes rpi-bootloader.tar.gz out of a firmware repository, as raspberrypi/firmware is one: what the GPU
# of a Raspberry Pi loads before there is a kernel. The kernels and device trees that lie beside it are
# left out; rpi_kernel has its own.
set -eu
. /usr/lib/hypriotkit/common.sh

output=$PWD
work=$(mktemp -d)
cd "$work"

say 'Unpacking the firmware'
mkdir tree boot
tar --no-same-owner -xf /inputs/rpi_bootloader.source/source.tar -C tree
for file in bootcode.bin start.elf fixup.dat; do
	[ -e "tree/$file" ] || die UNEXPECTED_SOURCE "the firmware repository has no $file in the folder that is taken" \
		'Name the folder behind the branch: "firmware_repo": "<url>#<branch>:<folder>".'
done
for file in tree/bootcode.bin tree/start*.elf tree/fixup*.dat tree/LICEN[CS]E* tree/COPYING* tree/overlays; do
	[ ! -e "$file" ] || cp -R "$file" boot/
done
find boot -type d -exec chmod 0755 {} + -o -type f -exec chmod 0644 {} +

say 'Packing rpi-bootloader.tar.gz'
reproducible_tar --owner=0 --group=0 -cf - boot | pigz -n -9 -p "$(($(nproc) + 1))" >"$output/rpi-bootloader.tar.gz"
cd "$output"
write_sha256 rpi-bootloader.tar.gz
