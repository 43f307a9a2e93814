#!/bin/sh
# Step rpi_sd_image.resolve: decides which packages Docker and what only a card needs add to those of
# root_fs, by asking the mirror once.
set -eu
. /usr/lib/hypriotkit/common.sh
. /usr/lib/hypriotkit/private-apt.sh

: "${BUILD_ARCH:?}" "${SUITE:?}" "${DOCKER_ENGINE_VERSION:?}" "${DOCKER_COMPOSE_VERSION:?}"

work=$(mktemp -d)
mkdir "$work/apt"
install_archive_keys ''
write_archive_sources "$work/apt/sources.list.d"
# The firmware of the wireless is not free.
target_sources | sed 's/ main$/ main non-free-firmware/' >"$work/apt/sources.list"
# The packages of root_fs are installed, as far as apt can see. One from elsewhere tells them itself.
if [ -d /inputs/root_fs ]; then
	tar -xzOf /inputs/root_fs/*.tar.gz ./var/lib/dpkg/status >"$work/apt/status" 2>/dev/null ||
		die INPUT_BROKEN 'the root file system has no ./var/lib/dpkg/status' 'rpi_sd_image can install Docker only into a Debian.'
else
	describe_repository /inputs/root_fs.resolve/list.tsv |
		sed 's/^Package: .*/&\nStatus: install ok installed/' >"$work/apt/status"
fi
say 'Reading the package lists'
private_apt "$work/apt" "$BUILD_ARCH" main

# shellcheck source=docker-packages.sh
. /builder/docker-packages.sh
# shellcheck disable=SC2086 # a list
set -- $docker_packages
say "Choosing packages for $*"
for package in ${REMOVE_PACKAGES:-}; do
	set -- "$@" "$package-"
done
resolve_packages "$@" >"$work/list" 2>"$work/log" || {
	cat "$work/log" >&2
	die INSTALL_FAILED "apt cannot install $*: $(sed -n 's/^E: *//p' "$work/log" | head -n 1)" \
		'The log above has the reason.'
}
mv "$work/list" list.tsv
say "$(wc -l <list.tsv) more packages"
