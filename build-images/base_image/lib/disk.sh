# Partitions and file systems inside an image file, without loop devices and mounts. Meant to be
# sourced after common.sh. Positions and sizes are in sectors of 512 bytes, as in a partition table.

export MKE2FS_CONFIG=/usr/lib/hypriotkit/mke2fs.conf

# Prints $2 hex digits that follow from IDENTITY and the purpose $1: the same image always gets the
# same ids, two different images do not share one.
derive_hex() {
	printf '%s %s' "$1" "$IDENTITY" | sha256sum | cut -c "1-$2"
}

# The same as a UUID of version 4.
derive_uuid() {
	derive_hex "$1" 32 | sed -E 's/^(.{8})(.{4}).(.{3}).(.{3})(.{12})$/\1-\2-4\3-8\4-\5/'
}

# make_ext4 IMAGE START SECTORS LABEL UUID HASH_SEED [mke2fs option...]
# The journal is zeroed now: what a card has there from an earlier life could be taken for its content
# after a crash. Inode tables are left to the kernel, which zeroes them in the background, as it has to
# do for all that the file system grows into at the first boot: twenty times as much, on a card of 32 GB.
make_ext4() {
	image=$1 start=$2 sectors=$3 label=$4 uuid=$5 seed=$6
	shift 6
	mke2fs -q -F -t ext4 -m 1 -L "$label" -U "$uuid" \
		-E "offset=$((start * 512)),hash_seed=$seed,root_owner=0:0,lazy_itable_init=1,lazy_journal_init=0,nodiscard" \
		"$@" "$image" "$((sectors / 2))k"
}

# Ends the script unless the file system that starts at START of IMAGE is clean. Changes nothing.
check_ext4() { # IMAGE START
	check_clean e2fsck -fn "$1?offset=$(($2 * 512))"
}
check_vfat() { # IMAGE START SECTORS; fsck.vfat knows no offset: it gets a copy, for which no hole is read
	part=$(mktemp)
	truncate -s "$(($3 * 512))" "$part"
	perl /usr/lib/hypriotkit/sparse-cat --map "$1" | awk -v first="$(($2 * 512))" -v end="$((($2 + $3) * 512))" '
		{ from = $1 < first ? first : $1; to = $1 + $2 > end ? end : $1 + $2 }
		from < to { printf "%d %d %d\n", from, to - from, from - first }' |
		while read -r from bytes to; do
			dd if="$1" of="$part" bs=1M skip="$from" count="$bytes" seek="$to" \
				iflag=skip_bytes,count_bytes,fullblock oflag=seek_bytes conv=notrunc status=none
		done
	check_clean fsck.vfat -n "$part"
	rm -f "$part"
}
check_clean() {
	log=$("$@" 2>&1) && return
	printf '%s\n' "$log" >&2
	die FILE_SYSTEM_DAMAGED "$1 finds errors in a file system that was just made" \
		'Run the build again; if this comes back, it is a bug in the build image.'
}
