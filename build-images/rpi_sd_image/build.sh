#!/bin/sh
# Assembles the image: the root file system with Docker, the kernel and the firmware go into the
# blank image. No mount and no loop device: both file systems are written into the file.
# docs/build-images.md says what comes in and what goes out.
set -eu
. /usr/lib/hypriotkit/common.sh
. /usr/lib/hypriotkit/disk.sh

: "${VERSION:?}" "${RAW_IMAGE_ARTIFACT:?}" "${BOOTLOADER_ARTIFACT:?}" "${SOURCE_DATE_EPOCH:?}"

output=$PWD
work=$(mktemp -d)
root=$work/root boot=$work/boot
mkdir "$root" "$boot" "$work/kernel"
# In the work folder, as it is an output: the only copy of it that is written.
image=hypriotos-rpi64-$VERSION.img
rm -f "$image" "$image".*

# --- inputs -------------------------------------------------------------------------------------

say 'Unpacking root file system, kernel and firmware'
broken() {
	die INPUT_BROKEN "$1 cannot be unpacked" 'Run the same command again: a damaged file in the volume is found and built again.'
}
packages=/inputs/rpi_sd_image.docker/rootfs-docker.tar.zst
tar --zstd --numeric-owner --xattrs --xattrs-include='*' -xpf "$packages" -C "$root" &
unpack_root=$!

kernel=
for file in /inputs/rpi_kernel/*.tar.gz; do
	case $file in */bootfiles.tar.gz) ;; *) kernel=$file ;; esac
done
[ -f "$kernel" ] || die INPUT_MISSING 'there is no kernel tarball in /inputs/rpi_kernel' 'rpi_kernel must make <release>.tar.gz.'
pigz -dc "$kernel" | tar --numeric-owner -xf - -C "$work/kernel" || broken "$kernel"
pigz -dc "/inputs/rpi_bootloader/$BOOTLOADER_ARTIFACT" | tar -xf - -C "$boot" --strip-components=1 ||
	broken "$BOOTLOADER_ARTIFACT"
cp -R "$work/kernel/boot/." "$boot/"

# The blank image gives the partition table, the FAT file system and the ids of the root file
# system; what it has behind the start of the root partition is written anew.
blank=/inputs/blank_image/$RAW_IMAGE_ARTIFACT
size=$(unzip -l "$blank" | awk 'END { print $1 }')
# pigz complains about the reader that has seen enough.
head_of_blank() { pigz -dc "$blank" 2>/dev/null | head -c "$1"; }
head_of_blank 512 >"$work/mbr" || broken "$blank"
# disk id, start and sectors of the first and the second partition, as the table has them
# shellcheck disable=SC2046
set -- $(perl -e 'binmode STDIN; read(STDIN, $_, 512) == 512 or die;
	printf "%08x %d %d %d %d", unpack "x440 V x2 x8 V V x8 V V", $_' <"$work/mbr") || broken "$blank"
disk_id=$1 boot_start=$2 boot_sectors=$3 root_start=$4 root_sectors=$5
head_of_blank $((root_start * 512 + 4096)) |
	dd of="$image" bs=1M iflag=fullblock conv=sparse status=none
# UUID, label and hash seed from the superblock
# shellcheck disable=SC2046
set -- $(dd if="$image" bs=1 skip=$((root_start * 512 + 1024)) count=1024 status=none |
	perl -e 'binmode STDIN; local $/; $_ = <STDIN>; my ($uuid, $label, $seed) = unpack "x104 H32 Z16 x100 H32", $_;
		s/(.{8})(.{4})(.{4})(.{4})(.{12})/$1-$2-$3-$4-$5/ for $uuid, $seed;
		unpack("x56 v", $_) == 0xEF53 or die "the blank image has no ext4 file system\n"; print "$uuid $seed $label"')
uuid=$1 seed=$2 label=${3:-root}
truncate -s $((root_start * 512)) "$image"
truncate -s "$size" "$image"

wait "$unpack_root" || broken "$packages"
mkdir -p "$root/lib/modules"
# Through the link where the root file system has a merged /usr.
mv "$work/kernel/lib/modules/"* "$root/lib/modules/"

# --- configuration ------------------------------------------------------------------------------

say "Configuring $HYPRIOT_HOSTNAME"
/usr/lib/hypriotkit/configure-root.sh "$root"
/builder/configure-device.sh "$root" "$disk_id"
cp /builder/config.txt /builder/seed/* "$root/usr/lib/os-release" "$boot/"
# Consoles: the monitor, and the UART on the pins of the header: ttyS1 on the Pi 3, 4 and Zero 2 W
# (the PL011 serves Bluetooth there), ttyAMA10 on the Pi 5. One that a board does not have is ignored.
# The last one that exists is /dev/console; each gets a login.
printf '%s\n' "console=tty0 console=ttyAMA10,115200 console=ttyS1,115200 root=PARTUUID=$disk_id-02 rootfstype=ext4 fsck.repair=yes rootwait cgroup_enable=memory net.ifnames=0" \
	>"$boot/cmdline.txt"

# --- file systems -------------------------------------------------------------------------------

too_much() { # what, missing bytes, field
	die DOES_NOT_FIT "the $1 is $((($2 + 1048575) / 1048576)) MiB too small for its content" \
		"Raise $3 in configs.json by at least that much."
}

say 'Writing the boot partition'
export MTOOLS_SKIP_CHECK=1 MTOOLSRC=/dev/null
drive=$image@@$((boot_start * 512))
cluster=$(($(dd if="$image" bs=1 skip=$((boot_start * 512 + 13)) count=1 status=none | od -An -tu1) * 512))
free=$(mdir -i "$drive" :: | tail -n 2 | tr -cd 0-9)
needed=$(find "$boot" -mindepth 1 -printf '%s\n' | awk -v cluster=$cluster '
	{ sum += int(($1 + cluster) / cluster) * cluster } END { printf "%d", sum }')
[ "$needed" -le "$free" ] || too_much 'boot partition' $((needed - free)) blank_image.boot_size
# Sorted, so that the entries lie in the same order on every machine; mcopy's own recursion does not.
find "$boot" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
(cd "$boot" && find . -mindepth 1 -type d) | LC_ALL=C sort | while read -r folder; do
	mmd -i "$drive" "::${folder#.}"
done
(cd "$boot" && find . -type d) | LC_ALL=C sort | while read -r folder; do
	set --
	for file in "$boot/$folder"/*; do
		[ ! -f "$file" ] || set -- "$@" "$file"
	done
	[ $# -eq 0 ] || mcopy -m -i "$drive" "$@" "::${folder#.}/"
done

say 'Writing the root partition'
if ! make_ext4 "$image" "$root_start" "$root_sectors" "$label" "$uuid" "$seed" -d "$root" >"$work/mke2fs.log" 2>&1; then
	cat "$work/mke2fs.log" >&2
	# How much is there, and how much goes into an empty file system of this size?
	make_ext4 "$image" "$root_start" "$root_sectors" "$label" "$uuid" "$seed"
	# free blocks, in the superblock
	free=$(dd if="$image" bs=1 skip=$((root_start * 512 + 1036)) count=4 status=none | od -An -tu4 | tr -d ' ')
	# One block in fifty for extents, directories and attributes
	needed=$(find "$root" -printf '%D:%i %s\n' | awk '!seen[$1]++ { blocks += int(($2 + 4095) / 4096) }
		END { printf "%d", blocks * 1.02 }')
	[ "$needed" -le "$free" ] || too_much 'root partition' $(((needed - free) * 4096)) blank_image.size
	die IMAGE_FAILED "mke2fs cannot write the root file system: $(tail -n 1 "$work/mke2fs.log")"
fi
rm -rf "$work/kernel"

# Blocks of zeros become holes: the image takes the room of what is in it, on every machine the same.
fallocate --dig-holes "$image"

# --- checks and packed forms --------------------------------------------------------------------

# All of it at the same time, on every core.
say "Checking and packing $image"
(check_ext4 "$image" "$root_start" && check_vfat "$image" "$boot_start" "$boot_sectors") &
check=$!
(zstd -q -f -T"$(($(nproc) + 1))" -3 -o "$image.zst" "$image" && write_sha256 "$image.zst") &
zst=$!
(/usr/lib/hypriotkit/describe-image "$image" && write_sha256 "$image.bmap") &
describe=$!
/usr/lib/hypriotkit/zip-image "$image"
write_sha256 "$image.zip"
wait "$check"
wait "$zst"
wait "$describe"
rm -rf "$work"
cd "$output"
say "$image: $(du -k "$image" | cut -f 1) KiB of $((size / 1024)) KiB, zip $(stat -c %s "$image.zip") bytes, zst $(stat -c %s "$image.zst") bytes"
