#!/bin/sh
# Assembles the image: the root file system with Docker, the kernel and the firmware go into the
# blank image. No mount and no loop device: both file systems are written into the file.
# docs/build-images.md says what comes in and what goes out.
set -eu
. /usr/lib/hypriotkit/common.sh
. /usr/lib/hypriotkit/disk.sh

: "${VERSION:?}" "${RAW_IMAGE_ARTIFACT:?}" "${BOOTLOADER_ARTIFACT:?}" "${SOURCE_DATE_EPOCH:?}"

# In the work folder and not in /tmp: a volume is faster than the container's overlay.
work=$PWD/.work
rm -rf "$work"
mkdir "$work"
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

. /builder/layout.sh
read_layout

wait "$unpack_root" || broken "$packages"
mkdir -p "$root/lib/modules"
# Through the link where the root file system has a merged /usr.
mv "$work/kernel/lib/modules/"* "$root/lib/modules/"

# --- configuration ------------------------------------------------------------------------------

say "Configuring $HYPRIOT_HOSTNAME"
/usr/lib/hypriotkit/configure-root.sh "$root"
/usr/lib/hypriotkit/configure-system.sh "$root"
/builder/configure-device.sh "$root" "$disk_id"
cp /builder/config.txt /builder/seed/* "$root/usr/lib/os-release" "$boot/"
# What config.txt says of Debian's kernel need not hold for one from elsewhere.
[ -e "$boot/initrd.img" ] || sed -i '/^initramfs /d' "$boot/config.txt"
[ ! -e "$boot/bcm2710-rpi-3-b.dtb" ] || sed -i '/mainline kernel/d; /^upstream_kernel=/d' "$boot/config.txt"
# Consoles: the monitor, and the UART on the pins of the header: ttyS1 on the Pi 3, 4 and Zero 2 W
# (the PL011 serves Bluetooth there), ttyAMA10 on the Pi 5. One that a board does not have is ignored.
# The last one that exists is /dev/console; each gets a login.
printf '%s\n' "console=tty0 console=ttyAMA10,115200 console=ttyS1,115200 root=PARTUUID=$disk_id-02 rootfstype=ext4 fsck.repair=yes rootwait cgroup_enable=memory net.ifnames=0" \
	>"$boot/cmdline.txt"
/builder/add-to-card.sh "$root" "$boot"
[ -z "${second_start:-}" ] || /builder/make-slots.sh "$root" "$boot"
/usr/lib/hypriotkit/apply-overlay "$root"

# --- file systems -------------------------------------------------------------------------------

too_much() { # what, missing bytes, field
	die DOES_NOT_FIT "the $1 is $((($2 + 1048575) / 1048576)) MiB too small for its content" \
		"Raise $3 in configs.json by at least that much."
}

[ -z "${ROOT_RESERVE:-}" ] || fit_root

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
	[ "$needed" -le "$free" ] || too_much 'root partition' $(((needed - free) * 4096)) "$size_field"
	die IMAGE_FAILED "mke2fs cannot write the root file system: $(tail -n 1 "$work/mke2fs.log")"
fi
[ -z "${second_start:-}" ] ||
	make_ext4 "$image" "$second_start" "$root_sectors" "$second_label" "$second_uuid" "$second_seed"

# --- checks and packed forms --------------------------------------------------------------------

# All of it at the same time, on every core.
say "Checking and packing $image"
rm -rf "$work" &
(check_ext4 "$image" "$root_start" && { [ -z "${second_start:-}" ] || check_ext4 "$image" "$second_start"; } && check_vfat "$image" "$boot_start" "$boot_sectors") &
check=$!
# Zip and zst come out of the one pass that reads the image: one that is not wanted costs little.
# What is as it was in the image before, another name of the host away, is packed already.
for earlier in /earlier/*.img.units; do :; done
[ -f "$earlier" ] || earlier=
/usr/lib/hypriotkit/describe-image "$image" ${earlier:+"${earlier%.units}"}
for form in zip zst; do
	case " ${COMPRESSION:-none zip zst} " in *" $form "*) ;; *) rm -f "$image.$form" ;; esac
done
case " ${COMPRESSION:-} " in
*" xz "*)
	# Blocks of a fixed size, so that the number of threads does not show.
	xz --keep --force --threads=4 --block-size=16MiB -3 "$image"
	;;
esac
for form in bmap zip zst xz; do
	[ ! -e "$image.$form" ] || write_sha256 "$image.$form" &
done
wait "$check"
wait
say "$image: $(du -k "$image" | cut -f 1) KiB of $((size / 1024)) KiB"
for form in zip zst xz; do
	[ ! -e "$image.$form" ] || say "$image.$form: $(stat -c %s "$image.$form") bytes"
done
