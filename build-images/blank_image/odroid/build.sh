#!/bin/sh
# Odroid C2: the boot ROM loads u-boot from the sectors before the first partition.
set -eu
DEVICE=odroid FIRST_SECTOR=3072 BOOT_FLAG='' exec /builder/blank-image.sh
