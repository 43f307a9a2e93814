#!/bin/sh
# Makes $DEVICE-raw.img.zip. What differs between devices comes in DEVICE, FIRST_SECTOR (where the
# boot partition starts) and BOOT_FLAG; sizes are bytes. Every id is derived from IDENTITY. ALIGNMENT
# (default 4 MiB) and LAYOUT (single, ab) may be missing.
set -eu
. /usr/lib/hypriotkit/common.sh
. /usr/lib/hypriotkit/disk.sh

mib=1048576
align=$((${ALIGNMENT:-4194304} / 512)) # in sectors
boot_start=$FIRST_SECTOR
boot_sectors=$((BOOT_SIZE / 512))
root_start=$(((boot_start + boot_sectors + align - 1) / align * align))
rest=$((IMAGE_SIZE / 512 - root_start))
case ${LAYOUT:-single} in
single)
	boot_label=HypriotOS root_label=root
	# Whole blocks of ext4: a rest at the end belongs to no file system.
	root_sectors=$((rest / 8 * 8))
	;;
ab)
	# What otaclient expects of a Raspberry Pi: two slots of one size behind a boot partition of this name.
	boot_label=system-boot root_label=slot_a
	root_sectors=$((rest / 2 / align * align))
	second_start=$((root_start + root_sectors))
	;;
*) die BAD_VALUE "the layout '$LAYOUT' is not known: single, ab" ;;
esac

# FAT32 needs 65525 clusters; an ext4 file system with a journal some 16 MiB.
[ "$BOOT_SIZE" -ge $((34 * mib)) ] ||
	die SIZE_TOO_SMALL "a boot partition of $BOOT_SIZE bytes is too small for FAT32" \
		'Set blank_image.boot_size to at least 34 MiB.'
[ "$root_sectors" -ge $((32 * mib / 512)) ] ||
	die SIZE_TOO_SMALL "an image of $IMAGE_SIZE bytes leaves no room for a root partition behind a boot partition of $BOOT_SIZE bytes" \
		'Raise blank_image.size, or lower blank_image.boot_size.'
# The partition table counts sectors in 32 bits.
[ "$IMAGE_SIZE" -le $((4294967295 * 512)) ] ||
	die SIZE_TOO_LARGE "an image of $IMAGE_SIZE bytes is more than an MBR partition table can describe (2 TiB)" \
		'Lower blank_image.size: the root file system grows to the size of the card at the first boot.'

image=$DEVICE-raw.img
rm -f "$image" "$image.zip"
truncate -s "$IMAGE_SIZE" "$image"

say "Partitioning $image: boot ${BOOT_SIZE} bytes, root $((root_sectors * 512)) bytes"
sfdisk --quiet "$image" <<TABLE
label: dos
label-id: 0x$(derive_hex disk 8)
start=$boot_start, size=$boot_sectors, type=c$BOOT_FLAG
start=$root_start, size=$root_sectors, type=83
${second_start:+start=$second_start, size=$root_sectors, type=83}
TABLE

say "Making the FAT file system $boot_label"
# Clusters of one sector up to 512 MiB: with the default, an image of 256 MiB has fewer clusters
# than FAT32 must have. What mkfs.vfat warns about is meant: the small letters of the label, and a
# file system that ends before the image does.
cluster=8
[ "$BOOT_SIZE" -gt $((512 * mib)) ] || cluster=1
mkfs.vfat -F 32 -s "$cluster" --offset "$boot_start" -h "$boot_start" --invariant \
	-i "$(derive_hex boot 8)" -n "$boot_label" "$image" "$((boot_sectors / 2))" >mkfs.log 2>&1 ||
	{ cat mkfs.log >&2; exit 1; }
rm mkfs.log
check_vfat "$image" "$boot_start" "$boot_sectors"

say "Making the ext4 file system $root_label"
make_ext4 "$image" "$root_start" "$root_sectors" "$root_label" "$(derive_uuid root)" "$(derive_uuid hash-seed)"
check_ext4 "$image" "$root_start"
[ -z "${second_start:-}" ] || {
	say 'Making the ext4 file system slot_b'
	make_ext4 "$image" "$second_start" "$root_sectors" slot_b "$(derive_uuid slot-b)" "$(derive_uuid hash-seed-b)"
	check_ext4 "$image" "$second_start"
}

say "Packing $image.zip"
# No digests of ranges are wanted, and no other form.
/usr/lib/hypriotkit/pack-image "$(nproc)" "$image" </dev/null >/dev/null
rm "$image" "$image.zst"
write_sha256 "$image.zip"
