#!/bin/sh
# Makes a configured root file system one for the SD card of a Raspberry Pi.
# usage: configure-device.sh ROOT DISK_ID      environment: VERSION, SOURCE_DATE_EPOCH
set -eu
root=$1 disk_id=$2
here=$(dirname "$0")

cp -R "$here/files/." "$root/"
systemctl --root="$root" --quiet enable hypriot-grow-root.service hypriot-wifi.service
# They check snapshots of LVM volumes, which no card has, at every boot.
systemctl --root="$root" --quiet disable e2scrub_reap.service e2scrub_all.timer

# netplan starts one for each wireless interface.
systemctl --root="$root" --quiet disable wpa_supplicant.service

mkdir -p "$root/boot/firmware"
# A damaged boot partition must not stop a board that has already come this far. Passwords may lie in it.
cat >"$root/etc/fstab" <<FSTAB
# Written by hypriotkit
PARTUUID=$disk_id-02  /               ext4  defaults,noatime                     0  1
PARTUUID=$disk_id-01  /boot/firmware  vfat  defaults,noatime,nofail,umask=0077  0  2
FSTAB

release=$root/usr/lib/os-release
sed -i -e '/^HYPRIOT_DEVICE=/d' -e '/^HYPRIOT_IMAGE_VERSION=/d' "$release"
cat >>"$release" <<RELEASE
HYPRIOT_DEVICE="Raspberry Pi 64bit"
HYPRIOT_IMAGE_VERSION="$VERSION"
RELEASE

# A board without a clock starts no earlier than this image was made: certificates are valid, then.
: >"$root/usr/lib/clock-epoch"
touch -d "@$SOURCE_DATE_EPOCH" "$root/usr/lib/clock-epoch"

# The caches that systemd makes for a new /usr (ldconfig, hwdb, catalog) are there already: the first
# boot need not make them again.
touch -d "@$SOURCE_DATE_EPOCH" "$root/usr"
for folder in etc var; do
	echo "TIMESTAMP_NSEC=${SOURCE_DATE_EPOCH}000000000" >"$root/$folder/.updated"
	touch -d "@$SOURCE_DATE_EPOCH" "$root/$folder/.updated"
done
