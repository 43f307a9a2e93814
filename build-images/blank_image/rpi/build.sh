#!/bin/sh
# Raspberry Pi: the firmware looks for the first FAT partition; both partitions are aligned to the
# erase blocks of SD cards.
set -eu
DEVICE=rpi FIRST_SECTOR=8192 BOOT_FLAG=', bootable' exec /builder/blank-image.sh
