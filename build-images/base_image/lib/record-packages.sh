#!/bin/sh
# Writes down which packages an image has, with the SHA-256 of the .deb that each came from: a line
# with name, version, architecture and digest, separated by tabs, in
# /usr/share/hypriotkit/packages.tsv. Runs inside `docker build`, while apt has its lists. A package
# that no index has (any more) keeps the digest that an image below has recorded; where there is none
# either, the field is empty.
set -eu
file=/usr/share/hypriotkit/packages.tsv

known=$(mktemp)
[ ! -e "$file" ] || cat "$file" >"$known"
# shellcheck disable=SC2016 # apt's variables
apt-get indextargets --no-release-info --format '$(FILENAME)' 'Created-By: Packages' >"$known.indexes"
while read -r index; do
	# apt names indexes that the archive does not have, too.
	/usr/lib/apt/apt-helper cat-file "$index" 2>/dev/null || continue
	echo
done <"$known.indexes" | awk -v OFS='\t' '
	/^Package: / { name = $2 }
	/^Version: / { version = $2 }
	/^Architecture: / { architecture = $2 }
	/^SHA256: / { sum = $2 }
	/^$/ { if (name != "" && sum != "") print name, version, architecture, sum; name = sum = "" }
' >>"$known"
[ -s "$known" ] || {
	echo 'E: apt has no lists, so nothing is known about the packages' >&2
	exit 1
}
# shellcheck disable=SC2016 # variables of dpkg-query
dpkg-query --show --showformat '${Package}\t${Version}\t${Architecture}\n' |
	awk -F '\t' -v OFS='\t' '
		NR == FNR { sums[$1, $2, $3] = $4; next }
		{ print $1, $2, $3, sums[$1, $2, $3] }
	' "$known" - | LC_ALL=C sort >"$file.new"
mv "$file.new" "$file"
rm "$known" "$known.indexes"
