#!/bin/sh
# Raspberry Pi: the firmware looks for the first FAT partition; both partitions are aligned to the
# erase blocks of SD cards.
set -eu
DEVICE=rpi FIRST_SECTOR=$((${ALIGNMENT:-4194304} / 512)) BOOT_FLAG=', bootable' exec /builder/blank-image.sh
