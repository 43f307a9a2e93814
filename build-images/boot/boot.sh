#!/bin/sh
# Boots an SD card image in an emulated Raspberry Pi 3, the serial console on stdin and stdout. The
# image is only read: what the system writes goes to a layer above it, in the work folder.
#
# usage: boot.sh IMAGE [kernel parameter...]      environment: BOOTS, how often the card is booted (1);
# DRIVE, what the image is on: sd, or usb (a stick); NETWORK, what the board is connected to: none, or wired
#
# qemu is not the firmware: kernel, device tree, initramfs and command line are taken out of the boot
# partition as config.txt and cmdline.txt there say, so a wrong PARTUUID or name shows here too.
# A machine that restarts is started again with the same card as often as BOOTS says; the process ends
# when it does so once more or powers off, or when stdin or the container closes.
set -eu
. /usr/lib/hypriotkit/common.sh

image=${1:?usage: boot.sh IMAGE [kernel parameter...]}
shift
work=$(mktemp -d)

[ -r "$image" ] || die INPUT_MISSING "there is no image $image"
start=$(perl -e 'binmode STDIN; read(STDIN, $_, 512) == 512 or exit 1; printf "%d", 512 * unpack "x454 V", $_' <"$image") ||
	die IMAGE_BROKEN "$image is too small to be a disk image"

export MTOOLS_SKIP_CHECK=1 MTOOLSRC=/dev/null
take() { # file of the boot partition
	mcopy -n -i "$image@@$start" "::$1" "$work/$1" 2>"$work/mcopy.log" ||
		die IMAGE_BROKEN "$image has no $1 in its boot partition: $(cat "$work/mcopy.log")"
}
take config.txt
take cmdline.txt
setting() { tr -d '\r' <"$work/config.txt" | sed -n "s/^$1[= ]*//p" | head -n 1; }
kernel=$(setting kernel)
kernel=${kernel:-kernel8.img}
initrd=$(setting initramfs)
initrd=${initrd%% *}
# Mainline's name, or that of the Raspberry Pi kernel.
dtb=$(mdir -b -i "$image@@$start" :: | tr -d '\r' | sed -n 's,^::/,,p' | LC_ALL=C sort -r |
	grep -x -m 1 -e 'bcm2837-rpi-3-b\.dtb' -e 'bcm2710-rpi-3-b\.dtb') ||
	die IMAGE_BROKEN "$image has no device tree of the Raspberry Pi 3 B in its boot partition"
take "$kernel"
take "$dtb"
[ -z "$initrd" ] || take "$initrd"

# The emulated card reader takes only cards whose size is a power of two. Larger than the image in every
# case, as real cards are: the root file system must grow.
size=$(stat -L -c %s "$image")
card=1048576
while [ "$card" -le "$size" ]; do card=$((card * 2)); done
qemu-img create -q -f qcow2 -b "$(readlink -f "$image")" -F raw "$work/card.qcow2" "$card"

# A panic ends the machine, so that nobody waits for it in vain; the emulated board may be twenty times
# slower than a real one, which systemd must not take for a broken device. The first serial port is the
# PL011, which belongs to Bluetooth on this board; the second is the mini UART on the pins of the
# header, the kernel's ttyS1. No monitor: every byte of stdin is a key press.
mkfifo "$work/keys"
exec 3<&0
# Held open, so that what types does not end with the first of several machines.
exec 4<>"$work/keys"

# qemu does not mind the end of its stdin; without its user the machine would run for ever.
{
	cat <&3 >&4
	: >"$work/closed"
	[ ! -s "$work/machine" ] || kill "$(cat "$work/machine")" 2>/dev/null
} &

case ${DRIVE:-sd} in
usb) drive="if=none,id=stick" stick='-device usb-storage,drive=stick,removable=on' ;;
*) drive=if=sd stick= ;;
esac

# The emulated board has no Ethernet of its own, the real one has it behind USB as well. An address of the
# Raspberry Pi foundation's, because Linux names an adapter with a made-up one otherwise. With restrict, qemu's
# DHCP server is all that can be reached.
case ${NETWORK:-none} in
wired) wire='-netdev user,id=wire,restrict=on -device usb-net,netdev=wire,mac=b8:27:eb:00:00:01' ;;
*) wire= ;;
esac

boot() { # kernel parameters
	# shellcheck disable=SC2086 # some words, or none
	qemu-system-aarch64 -machine raspi3b -nodefaults -display none -monitor none \
		-kernel "$work/$kernel" -dtb "$work/$dtb" ${initrd:+-initrd "$work/$initrd"} \
		-append "$(tr -d '\r\n' <"$work/cmdline.txt") panic=10 systemd.default_device_timeout_sec=900 systemd.default_timeout_start_sec=900${*:+ $*}" \
		-drive "file=$work/card.qcow2,$drive,format=qcow2,cache=unsafe" $stick $wire \
		-serial null -chardev stdio,id=console,signal=off -serial chardev:console \
		-no-reboot <"$work/keys" &
	echo $! >"$work/machine"
	wait $!
}
left=${BOOTS:-1}
while [ "$left" -gt 0 ] && [ ! -e "$work/closed" ]; do
	left=$((left - 1))
	boot "$@"
done
