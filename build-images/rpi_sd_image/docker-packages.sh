# What rpi_sd_image.docker installs. Meant to be sourced; apt must be ready.

# Prints what apt is to install for package $1 at the version $2 of the field $3: `debian` and `latest`
# are the newest; else a whole version, or the upstream part of one (28.5.1 of 5:28.5.1-1~debian.13~trixie).
at_version() {
	versions=$(apt-cache madison "$1" | awk '{ print $3 }')
	[ -n "$versions" ] || die VERSION_NOT_FOUND "the package archive has no $1 for $SUITE on $BUILD_ARCH" \
		"Set mirror, apt_sources or docker_repo in configs.json to an archive that has it."
	case $2 in
	debian | latest)
		echo "$1"
		return
		;;
	esac
	# apt has the newest first.
	for version in $versions; do
		upstream=${version#*:}
		upstream=${upstream%-*}
		if [ "$version" = "$2" ] || [ "${upstream%%[~+]*}" = "$2" ] || [ "$upstream" = "$2" ]; then
			echo "$1=$version"
			return
		fi
	done
	die VERSION_NOT_FOUND "the package archive has no $1 $2; it has: $(printf '%s\n' "$versions" | sort -uV | paste -sd ' ')" \
		"Set rpi_sd_image.$3 to one of these versions, or to \"$newest\" for the newest."
}
newest=debian
[ -z "${DOCKER_REPO:-}" ] || newest=latest

# Docker's own packages have other names than Debian's.
engine_package=docker.io client_package=docker-cli compose_package=docker-compose runtime=
if [ -n "${DOCKER_REPO:-}" ] && [ "$DOCKER_ENGINE_VERSION" != debian ]; then
	engine_package=docker-ce client_package=docker-ce-cli runtime=containerd.io
fi
if [ -n "${DOCKER_REPO:-}" ] && [ "$DOCKER_COMPOSE_VERSION" != debian ]; then
	compose_package=docker-compose-plugin
fi
# A subshell's die only ends the subshell: the assignments carry its status.
engine=$(at_version "$engine_package" "$DOCKER_ENGINE_VERSION" docker_engine_version)
client=
if [ -n "$(apt-cache madison "$client_package")" ]; then
	# The client is a package of its own since trixie, and only recommended.
	client=$(at_version "$client_package" "$DOCKER_ENGINE_VERSION" docker_engine_version)
fi
compose=
if [ "$DOCKER_COMPOSE_VERSION" != none ]; then
	compose=$(at_version "$compose_package" "$DOCKER_COMPOSE_VERSION" docker_compose_version)
fi
# To check and to grow the file systems of the card, and for the wireless of the boards.
device='dosfstools e2fsprogs fdisk firmware-brcm80211 iw wireless-regdb wpasupplicant'
# shellcheck disable=SC2034 # for the script that sources this
docker_packages="$engine $client $runtime $compose $device"
