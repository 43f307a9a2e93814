#!/bin/sh
# Makes the kernel tarballs for whoever unpacks them with plain tar: with lib/ in it, that would put a
# folder in the place of the link /lib of a root file system with a merged /usr.
set -eu
. /usr/lib/hypriotkit/common.sh
. /builder/pack-kernel.sh

work=$(mktemp -d)
for file in /inputs/rpi_kernel/*.tar.gz; do
	case $file in */bootfiles.tar.gz) ;; *) kernel=$file ;; esac
done
name=${kernel##*/}
say "Moving the modules of $name below usr"
pigz -dc "$kernel" | tar --no-same-owner -xf - -C "$work"
mkdir "$work/usr"
mv "$work/lib" "$work/usr/lib"
cp /inputs/rpi_kernel/*.config .
pack_kernel "$work" "${name%.tar.gz}"
