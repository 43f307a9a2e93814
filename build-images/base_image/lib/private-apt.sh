# An apt beside the builder's own, to fetch packages of another architecture or component without
# touching the builder. Meant to be sourced after common.sh.

# private_apt FOLDER ARCH COMPONENTS [SUITE] makes it and updates its lists; from then on APT_CONFIG
# points every apt command to it. Sources are the builder's, with the given components; MIRROR
# replaces them.
private_apt() {
	mkdir -p "$1/lists/partial" "$1/archives/partial" "$1/sources.list.d"
	: >"$1/status"
	: >"$1/sources.list"
	if [ -n "${MIRROR:-}" ]; then
		printf 'deb %s %s %s\n' "$MIRROR" "${4:-$(sed -n "s/^VERSION_CODENAME=//p" /etc/os-release)}" "$3" >"$1/sources.list"
	else
		for list in /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources; do
			[ -e "$list" ] || continue
			sed -E -e "s/^(deb +(\[[^]]*\] +)?[^ ]+ +[^ ]+) .*/\1 $3/" -e "s/^Components:.*/Components: $3/" \
				"$list" >"$1/${list#/etc/apt/}"
		done
	fi
	cat >"$1/apt.conf" <<CONF
Dir::State::lists "$1/lists";
Dir::State::status "$1/status";
Dir::Cache "$1";
Dir::Etc::sourcelist "$1/sources.list";
Dir::Etc::sourceparts "$1/sources.list.d";
APT::Architecture "$2";
APT::Architectures { "$2"; };
APT::Sandbox::User "root";
CONF
	export APT_CONFIG="$1/apt.conf"
	apt_update
}

# Downloads the candidates of the named packages into the current folder.
fetch_packages() {
	for package in "$@"; do
		[ -n "$(apt-cache show --no-all-versions "$package" 2>/dev/null)" ] ||
			die PACKAGE_NOT_FOUND "the package mirror has no package $package" \
				'Is "mirror" in configs.json a complete mirror of this Debian release?'
	done
	apt-get -q download "$@" >download.log 2>&1 || {
		cat download.log >&2
		die MIRROR_UNREACHABLE "a package cannot be downloaded: $(sed -n 's/^[EW]: *//p' download.log | head -n 1)" \
			'Run the build again; if this comes back, set "mirror" in configs.json to another mirror.'
	}
	rm download.log
}

# Prints one line for each .deb: name, version, architecture and SHA-256, as packages.tsv has it.
describe_packages() {
	for deb in "$@"; do
		# shellcheck disable=SC2016 # the fields are for dpkg
		dpkg-deb --show --showformat='${Package}\t${Version}\t${Architecture}\t' "$deb"
		sha256sum "$deb" | cut -d ' ' -f 1
	done | LC_ALL=C sort
}
