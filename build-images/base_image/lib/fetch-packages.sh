#!/bin/sh
# Downloads the packages that the list wanted.tsv in the current folder names (private-apt.sh says
# what a list is), as <SHA-256>.deb. Only what has the right digest counts as downloaded.
# environment: MIRROR (empty: the mirrors of this image's apt), EXTRA_MIRRORS (more, separated by spaces)
set -eu
. /usr/lib/hypriotkit/common.sh

# The lines of the list that are not there yet.
missing() {
	while IFS='	' read -r name version architecture sum size path; do
		[ -e "$sum.deb" ] || printf '%s\t%s\t%s\t%s\t%s\t%s\n' "$name" "$version" "$architecture" "$sum" "$size" "$path"
	done <wanted.tsv
}

if [ -n "${MIRROR:-}" ]; then
	printf '%s\n' "${MIRROR%/}"
else
	# shellcheck disable=SC2016
	apt-get indextargets --no-release-info --format '$(REPO_URI)' 'Created-By: Packages' | sed 's,/$,,' | sort -u
fi >mirrors
for mirror in ${EXTRA_MIRRORS:-}; do
	printf '%s\n' "${mirror%/}"
done >>mirrors
[ -s mirrors ] || die MIRROR_UNREACHABLE "the base image's apt has no package source" 'Set "mirror" in configs.json.'

say "Downloading $(wc -l <wanted.tsv) packages"
: >log
while read -r mirror; do
	missing >rest.tsv
	[ -s rest.tsv ] || break
	# URI, file and digest of each, all in one run of apt's own downloader
	awk -F '\t' -v mirror="$mirror" '{ print mirror "/" $6; print $4 ".deb"; print "SHA256:" $4 }' rest.tsv |
		xargs -d '\n' -n 300 /usr/lib/apt/apt-helper -q -o APT::Sandbox::User=root download-file >>log 2>&1 || :
done <mirrors

missing >rest.tsv
[ ! -s rest.tsv ] || {
	cat log >&2
	count=$(wc -l <rest.tsv)
	names=$(awk -F '\t' '{ print $1 " " $2 " (" $3 ")" }' rest.tsv | head -n 5 | paste -sd , | sed 's/,/, /g')
	[ "$count" -le 5 ] || names="$names and $((count - 5)) more"
	if grep -q '404\|File not found' log; then
		die PACKAGE_GONE "the mirror no longer has $names, and the package cache does not have it either" \
			'`hypriotkit upgrade` locks what the mirror has today; or bring the package cache of a machine that has built this lock.'
	fi
	die MIRROR_UNREACHABLE "cannot download $names: $(sed -n 's/^[EW]: *//p' log | head -n 1)" \
		'Check the network of the Docker engine, or set "mirror" in configs.json to a mirror that it can reach.'
}
