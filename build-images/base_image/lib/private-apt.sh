# An apt beside the builder's own, to look up packages of another architecture or component without
# touching the builder, and the lists of packages that it makes. Meant to be sourced after common.sh.
#
# A list has one line for each package, sorted: name, version, architecture, SHA-256 and size of the
# .deb, and its path on the mirror, separated by tabs. What a list names lies in /packages, as
# <SHA-256>.deb, in every step that gets the list as its input.

# shellcheck source=apt-sources.sh
. /usr/lib/hypriotkit/apt-sources.sh

# A list that stays as it is where it can: what the lock had before the configuration changed.
previous=$PWD/previous.tsv

# private_apt FOLDER ARCH COMPONENTS [SUITE] makes it and updates its lists; from then on APT_CONFIG
# points every apt command to it. Sources are the builder's, with the given components; MIRROR
# replaces them, and a FOLDER/sources.list that exists replaces both. What FOLDER/status says is
# installed counts as installed.
private_apt() {
	configure_private_apt "$@"
	apt_update
}

# The same without the update.
configure_private_apt() {
	mkdir -p "$1/lists/partial" "$1/archives/partial" "$1/sources.list.d"
	[ -e "$1/status" ] || : >"$1/status"
	if [ -e "$1/sources.list" ]; then
		:
	elif [ -n "${MIRROR:-}" ]; then
		printf 'deb %s %s %s\n' "$MIRROR" "${4:-$(sed -n "s/^VERSION_CODENAME=//p" /etc/os-release)}" "$3" >"$1/sources.list"
	else
		: >"$1/sources.list"
		for list in /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources; do
			[ -e "$list" ] || continue
			sed -E -e "s/^(deb +(\[[^]]*\] +)?[^ ]+ +[^ ]+) .*/\1 $3/" -e "s/^Components:.*/Components: $3/" \
				"$list" >"$1/${list#/etc/apt/}"
		done
	fi
	: >"$1/preferences"
	if [ -s "$previous" ]; then
		make_repository "$previous" "$1/repository" >>"$1/sources.list"
		printf 'Package: *\nPin: release o=hypriotkit\nPin-Priority: 1001\n' >"$1/preferences"
	fi
	cat >"$1/apt.conf" <<CONF
Dir::State "$1";
Dir::State::lists "$1/lists";
Dir::State::status "$1/status";
Dir::Cache "$1";
Dir::Etc::sourcelist "$1/sources.list";
Dir::Etc::sourceparts "$1/sources.list.d";
Dir::Etc::preferences "$1/preferences";
APT::Architecture "$2";
APT::Architectures { "$2"; };
APT::Sandbox::User "root";
APT::Install-Recommends "false";
CONF
	export APT_CONFIG="$1/apt.conf"
}

# Prints the target's apt sources: one mirror from the configuration, or all that this container's
# apt uses of the same archive (with -updates and -security where it has them).
target_sources() {
	if [ -n "${MIRROR:-}" ]; then
		printf 'deb %s%s %s main\n' "$(mirror_option)" "${MIRROR%/}/" "$SUITE"
	else
		builder=$(. /etc/os-release && printf '%s' "$VERSION_CODENAME")
		# shellcheck disable=SC2016
		apt-get indextargets --no-release-info --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
			awk -v builder="$builder" -v suite="$SUITE" '
				{ if ($2 == builder) $2 = suite; else if (index($2, builder "-") == 1) $2 = suite substr($2, length(builder) + 1) }
				{ print "deb", $1, $2, $3 }'
	fi | sort -u
}

# list_packages NAME=VERSION... prints the list of these packages, as the lists of apt describe them.
list_packages() {
	[ -e "$previous" ] || : >"$previous"
	apt-cache show "$@" | awk -F ': ' -v OFS='\t' -v previous="$previous" '
		# The repository of the previous list has paths of its own.
		BEGIN { while ((getline line <previous) > 0) { split(line, field, "\t"); known[field[4]] = field[6] } }
		function finish() { if (name != "") print name, version, architecture, sum, size, (sum in known) ? known[sum] : path; name = "" }
		/^Package: / { finish(); name = $2 }
		/^Version: / { version = $2 }
		/^Architecture: / { architecture = $2 }
		/^SHA256: / { sum = $2 }
		/^Size: / { size = $2 }
		/^Filename: / { path = $2 }
		END { finish() }' | LC_ALL=C sort -u -t "$(printf '\t')" -k 1,4
}

# resolve_packages NAME... prints the list of what apt would install for these names.
resolve_packages() {
	plan=$(apt-get -q --simulate install "$@") || return
	# shellcheck disable=SC2046
	list_packages $(printf '%s\n' "$plan" | sed -n 's/^Inst \([^ :]*\)[^ ]* \(\[[^]]*\] \)\?(\([^ ]*\) .*/\1=\3/p')
}

# The newest version of a package that must be there, as name=version.
newest_version() {
	version=$(apt-cache show --no-all-versions "$1" 2>/dev/null | sed -n 's/^Version: //p' | head -n 1)
	[ -n "$version" ] || die PACKAGE_NOT_FOUND "the package mirror has no package $1" \
		'Is "mirror" in configs.json a complete mirror of this Debian release?'
	printf '%s=%s\n' "$1" "$version"
}

# package_file LIST NAME prints where the .deb of a package in a list lies.
package_file() {
	awk -F '\t' -v name="$2" '$1 == name { print "/packages/" $4 ".deb"; exit }' "$1"
}

# describe_repository LIST prints the description of the packages of a list, as an index of a
# repository that begins at / has it.
describe_repository() {
	cut -f 4,5 "$1" | while read -r sum size; do
		dpkg-deb --field "/packages/$sum.deb" ||
			die PACKAGE_BROKEN "the package cache has a damaged $sum.deb" 'Run the same command again.'
		printf 'Filename: packages/%s.deb\nSize: %s\nSHA256: %s\n\n' "$sum" "$size" "$sum"
	done
}

# make_repository LIST FOLDER makes a repository of the packages of a list, as SUITE, and prints its
# line for sources.list. What is installed from it is what the list says, whatever the mirror has by now.
make_repository() {
	mkdir -p "$2"
	describe_repository "$1" >"$2/Packages"
	# mmdebstrap takes the essential packages of the suite that it was told, by this name.
	printf 'Origin: hypriotkit\nSuite: %s\nCodename: %s\nSHA256:\n %s %s Packages\n' "${SUITE:-lock}" "${SUITE:-lock}" \
		"$(sha256sum "$2/Packages" | cut -d ' ' -f 1)" "$(stat -c %s "$2/Packages")" >"$2/Release"
	# apt copies the packages into the root file system, where dpkg finds them.
	printf 'deb [trusted=yes] copy:/ %s/\n' "${2#/}"
}
