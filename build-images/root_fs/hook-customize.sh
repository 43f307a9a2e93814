#!/bin/sh
# mmdebstrap's customize hook: everything is installed. Writes packages.tsv and takes out what must
# not be in an image, all of it natively.
set -eu
root=$1

/usr/lib/hypriotkit/native-tools.sh leave "$root"

# name, version, architecture and SHA-256 of the .deb of every package
# shellcheck disable=SC2016
dpkg-query --admindir="$root/var/lib/dpkg" --show --showformat '${Package}\t${Version}\t${Architecture}\n' |
	LC_ALL=C sort >"$PACKAGES_WORK/installed"
# shellcheck disable=SC2046
APT_CONFIG="$MMDEBSTRAP_APT_CONFIG" apt-cache show $(awk -F '\t' '{ print $1 "=" $2 }' "$PACKAGES_WORK/installed") |
	awk -F ': ' -v OFS='\t' '
		NR == FNR { packages[NR] = $0; count = NR; next }
		/^Package: / { name = $2 }
		/^Version: / { version = $2 }
		/^Architecture: / { architecture = $2 }
		/^SHA256: / { sum[name OFS version OFS architecture] = $2 }
		END {
			for (i = 1; i <= count; i++) {
				if (!(packages[i] in sum)) { print "E: no SHA-256 is known for " packages[i] >"/dev/stderr"; exit 1 }
				print packages[i], sum[packages[i]]
			}
		}' "$PACKAGES_WORK/installed" - >"$PACKAGES_WORK/packages.tsv"

/usr/lib/hypriotkit/clean-root.sh "$root"
