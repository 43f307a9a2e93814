#!/bin/sh
# Step rpi_sd_image.machine: fetches the docker-machine program. Only what has the digest of
# configs.json counts.
set -eu
. /usr/lib/hypriotkit/common.sh
: "${DOCKER_MACHINE_URL:?}" "${DOCKER_MACHINE_SHA256:?}"

say "Downloading $DOCKER_MACHINE_URL"
/usr/lib/apt/apt-helper -q -o APT::Sandbox::User=root download-file "$DOCKER_MACHINE_URL" docker-machine >/tmp/log 2>&1 || {
	cat /tmp/log >&2
	die DOWNLOAD_FAILED "cannot download $DOCKER_MACHINE_URL: $(sed -n 's/^[EW]: *//p' /tmp/log | head -n 1)" \
		'Check docker_machine_url and docker_machine_version of rpi_sd_image in configs.json, and the network of the Docker engine.'
}
sum=$(sha256sum <docker-machine | cut -d ' ' -f 1)
[ "$sum" = "$DOCKER_MACHINE_SHA256" ] || die DOWNLOAD_WRONG "$DOCKER_MACHINE_URL has the SHA-256 $sum and not $DOCKER_MACHINE_SHA256" \
	'Do not use the file before you know why; then correct rpi_sd_image.docker_machine_sha256 in configs.json.'
# An ELF header, 64 bits, for AArch64 (e_machine 183)
[ "$(od -An -tx1 -N 20 docker-machine | tr -d ' \n' | cut -c 1-10,37-40)" = 7f454c4602b700 ] ||
	die DOWNLOAD_WRONG "$DOCKER_MACHINE_URL is no program for 64-bit ARM" \
		'Set rpi_sd_image.docker_machine_url to the address of the program for Linux on aarch64.'
