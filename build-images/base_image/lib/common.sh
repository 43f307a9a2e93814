# Shared by the scripts of every build image. Meant to be sourced by a POSIX shell.
#
# What a script prints is its log; a person reads the last line while the step runs. Two kinds of
# line have a meaning for hypriotkit, on stderr:
#   ::error CODE message     why the step failed, in the words a user should see
#   ::hint text              what the user can do about it

# Says what happens next: one short line before each piece of work that takes noticeable time.
say() { printf '%s\n' "$*"; }

# Ends the script with a failure that a user can act on. $1 code, $2 message, $3 hint (optional).
die() {
	printf '::error %s %s\n' "$1" "$2" >&2
	[ -z "${3:-}" ] || printf '::hint %s\n' "$3" >&2
	exit 1
}

# Prints the URI of the mirror that this image's apt uses for Debian itself.
apt_mirror() {
	apt-get indextargets --format '$(REPO_URI) $(RELEASE)' 'Created-By: Packages' 2>/dev/null |
		awk 'NR == 1 { sub(/\/$/, "", $1); print $1 }'
}

# Prints the date of the newest Release file in apt's lists, in seconds since 1970.
archive_date() {
	newest=0
	for release in /var/lib/apt/lists/*Release; do
		[ -e "$release" ] || continue
		seconds=$(date -u -d "$(sed -n 's/^Date: //p' "$release" | head -n 1)" +%s)
		[ "$seconds" -le "$newest" ] || newest=$seconds
	done
	[ "$newest" -gt 0 ] || { echo 'no Release file in the lists of apt' >&2; return 1; }
	printf '%s\n' "$newest"
}

# Runs `apt-get update` with the given options; a mirror that cannot be used ends the script with a
# message that names it. apt warns and exits 0 where it could fall back to old lists: here that is
# a failure.
apt_update() {
	if ! apt-get -o APT::Update::Error-Mode=any "$@" update >/tmp/apt-update.log 2>&1; then
		cat /tmp/apt-update.log >&2
		reason=$(sed -n 's/^[EW]: *//p' /tmp/apt-update.log | head -n 1)
		die MIRROR_UNREACHABLE "the package mirror cannot be used: ${reason:-apt-get update failed}" \
			'Check the network of the Docker engine, or set "mirror" in configs.json to a mirror that it can reach.'
	fi
	cat /tmp/apt-update.log
}

# Writes FILE.sha256 beside each FILE in the current folder, in the format of sha256sum.
write_sha256() {
	for file in "$@"; do
		sha256sum "$file" >"$file.sha256"
	done
}

# tar options that leave nothing of the building machine in an archive: order, owners, times.
reproducible_tar() {
	LC_ALL=C tar --sort=name --format=pax \
		--pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime \
		--numeric-owner --clamp-mtime --mtime="@$SOURCE_DATE_EPOCH" --xattrs --xattrs-include='*' "$@"
}
