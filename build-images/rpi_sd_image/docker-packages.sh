# What rpi_sd_image.docker installs. Meant to be sourced; apt must be ready.

# Prints what apt is to install for package $1 at the version $2 of the field $3.
at_version() {
	versions=$(apt-cache madison "$1" | awk '{ print $3 }' | sort -u)
	[ -n "$versions" ] || die VERSION_NOT_FOUND "the package mirror has no $1 for $SUITE on $BUILD_ARCH" \
		"Set \"mirror\" in configs.json to a mirror that has it."
	if [ "$2" = debian ]; then
		echo "$1"
	elif printf '%s\n' "$versions" | grep -qxF -e "$2"; then
		echo "$1=$2"
	else
		die VERSION_NOT_FOUND "the package mirror has no $1 $2; it has: $(echo "$versions" | paste -sd ' ')" \
			"Set rpi_sd_image.$3 to one of these versions, or to \"debian\" for the newest."
	fi
}
# A subshell's die only ends the subshell: the assignments carry its status.
engine=$(at_version docker.io "$DOCKER_ENGINE_VERSION" docker_engine_version)
client=
if [ -n "$(apt-cache madison docker-cli)" ]; then
	# The client is a package of its own since trixie, and only recommended.
	client=$(at_version docker-cli "$DOCKER_ENGINE_VERSION" docker_engine_version)
fi
compose=
if [ "$DOCKER_COMPOSE_VERSION" != none ]; then
	compose=$(at_version docker-compose "$DOCKER_COMPOSE_VERSION" docker_compose_version)
fi
# To check and to grow the file systems of the card, and for the wireless of the boards.
device='dosfstools e2fsprogs fdisk firmware-brcm80211 iw wireless-regdb wpasupplicant'
# shellcheck disable=SC2034 # for the script that sources this
docker_packages="$engine $client $compose $device"
