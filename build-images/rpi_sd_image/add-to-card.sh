#!/bin/sh
# Puts into the root and boot folders what configs.json wants on the card beside packages: Docker
# images, a compose file, Docker Machine, kernel parameters and lines for the firmware.
#
# usage: add-to-card.sh ROOT BOOT
# Environment, each may be missing: PRELOAD (the digest of an archive on each line, or that of an image
# of a registry, with its algorithm), COMPOSE_FILE_DIGEST, EXTRA_CMDLINE, EXTRA_CONFIG_TXT
set -eu
. /usr/lib/hypriotkit/common.sh
root=$1 boot=$2
files=/workspace/.files
here=$(dirname "$0")

[ -z "${PRELOAD:-}" ] || {
	mkdir -p -m 0755 "$root/var/lib/hypriot/preload"
	number=0
	printf '%s\n' "$PRELOAD" | while read -r digest; do
		# By its digest, and in the order of the configuration: the first boot loads them as they are listed.
		name=$(printf %03d "$number")-${digest#sha256:}.tar
		case $digest in
		sha256:*) cp "/inputs/rpi_sd_image.preload/$name" "$root/var/lib/hypriot/preload/$name" ;;
		*) mv "$files/preload/$number" "$root/var/lib/hypriot/preload/$name" ;;
		esac
		number=$((number + 1))
	done
	chmod 0644 "$root"/var/lib/hypriot/preload/*
	install -D -m 0755 "$here/services/preload-images" "$root/usr/lib/hypriot/preload-images"
	install -D -m 0644 "$here/services/hypriot-preload.service" "$root/usr/lib/systemd/system/hypriot-preload.service"
	systemctl --root="$root" --quiet enable hypriot-preload.service
}

[ -z "${COMPOSE_FILE_DIGEST:-}" ] || {
	install -D -m 0644 "$files/compose.yaml" "$root/etc/hypriot/compose.yaml"
	install -D -m 0644 "$here/services/hypriot-compose.service" "$root/usr/lib/systemd/system/hypriot-compose.service"
	systemctl --root="$root" --quiet enable hypriot-compose.service
}

[ ! -e /inputs/rpi_sd_image.machine/docker-machine ] ||
	install -D -m 0755 /inputs/rpi_sd_image.machine/docker-machine "$root/usr/local/bin/docker-machine"

[ -z "${EXTRA_CMDLINE:-}" ] || sed -i "1s|\$| $(printf '%s' "$EXTRA_CMDLINE" | sed 's/[\\&|]/\\&/g')|" "$boot/cmdline.txt"

[ -z "${EXTRA_CONFIG_TXT:-}" ] || {
	# Ours may end in a section.
	printf '\n[all]\n# rpi_sd_image.config_txt of configs.json\n%s\n' "$EXTRA_CONFIG_TXT" >>"$boot/config.txt"
}
