#!/bin/sh
# Turns a configured root folder and boot folder into those of a card with two root slots, as the
# rpi_boot controller of otaclient expects them: slot_a is installed, slot_b waits for the first update.
# usage: make-slots.sh ROOT BOOT
set -eu
root=$1 boot=$2

# What an update installs from: a system that is written into a slot brings its own kernel, which
# otaclient lets flash-kernel of that system put into the boot partition. Debian's flash-kernel starts a
# Raspberry Pi by way of U-Boot only; this one does what otaclient needs, and nothing when it is not asked.
release=$(ls "$root/lib/modules")
mkdir -p "$root/boot"
cp "$boot/kernel8.img" "$root/boot/vmlinuz-$release"
[ ! -e "$boot/initrd.img" ] || cp "$boot/initrd.img" "$root/boot/initrd.img-$release"
install -D -m 0755 "$(dirname "$0")/services/flash-kernel" "$root/usr/sbin/flash-kernel"

for name in kernel8.img:vmlinuz initrd.img:initrd.img; do
	[ ! -e "$boot/${name%:*}" ] || mv "$boot/${name%:*}" "$boot/${name#*:}_slot_a"
done
for slot in a b; do
	sed -E "s/(^| )root=[^ ]*/\\1root=LABEL=slot_$slot/" "$boot/cmdline.txt" >"$boot/cmdline.txt_slot_$slot"
	sed -e "s/^kernel=.*/kernel=vmlinuz_slot_$slot\\ncmdline=cmdline.txt_slot_$slot/" \
		-e "s/^initramfs .*/initramfs initrd.img_slot_$slot followkernel/" "$boot/config.txt" >"$boot/config.txt_slot_$slot"
done
# The firmware reads config.txt, and tryboot.txt for one boot after an update.
cp "$boot/config.txt_slot_a" "$boot/config.txt"
cp "$boot/config.txt_slot_b" "$boot/tryboot.txt"
rm "$boot/cmdline.txt"

cat >"$root/etc/fstab" <<'FSTAB'
# Written by hypriotkit
LABEL=slot_a       /               ext4  discard,x-systemd.growfs    0  1
LABEL=system-boot  /boot/firmware  vfat  defaults,nofail,umask=0077  0  2
FSTAB
# A slot keeps its size: behind it is the other one.
systemctl --root="$root" --quiet disable hypriot-grow-root.service
mkdir -p "$root/boot/ota-status"
