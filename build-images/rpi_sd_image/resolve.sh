#!/bin/sh
# Step rpi_sd_image.resolve: decides which packages Docker and what only a card needs add to those of
# root_fs, by asking the mirror once.
set -eu
. /usr/lib/hypriotkit/common.sh
. /usr/lib/hypriotkit/private-apt.sh

: "${BUILD_ARCH:?}" "${SUITE:?}" "${DOCKER_ENGINE_VERSION:?}" "${DOCKER_COMPOSE_VERSION:?}"

work=$(mktemp -d)
mkdir "$work/apt"
# The firmware of the wireless is not free.
target_sources | sed 's/ main$/ main non-free-firmware/' >"$work/apt/sources.list"
# The packages of root_fs are installed, as far as apt can see.
describe_repository /inputs/root_fs.resolve/list.tsv |
	sed 's/^Package: .*/&\nStatus: install ok installed/' >"$work/apt/status"
say 'Reading the package lists'
private_apt "$work/apt" "$BUILD_ARCH" main

# shellcheck source=docker-packages.sh
. /builder/docker-packages.sh
# shellcheck disable=SC2086 # a list
set -- $docker_packages
say "Choosing packages for $*"
resolve_packages "$@" >"$work/list" 2>"$work/log" || {
	cat "$work/log" >&2
	die INSTALL_FAILED "apt cannot install $*: $(sed -n 's/^E: *//p' "$work/log" | head -n 1)" \
		'The log above has the reason.'
}
mv "$work/list" list.tsv
say "$(wc -l <list.tsv) more packages"
