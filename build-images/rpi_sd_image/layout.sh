# The partitions of the image, as the blank image describes them. Meant to be sourced by build.sh after
# disk.sh; work, root and image are set. Positions are in sectors.

# The blank image gives the partition table, the FAT file system and the ids of the root file systems;
# what it has behind the start of the root partition is written anew.
blank=/inputs/blank_image/$RAW_IMAGE_ARTIFACT

# pigz complains about the reader that has seen enough.
head_of_blank() { pigz -dc "$blank" 2>/dev/null | head -c "$1"; }

# Prints UUID, hash seed and label of an ext4 file system from its superblock on stdin.
read_superblock() {
	perl -e 'binmode STDIN; local $/; $_ = <STDIN>; my ($uuid, $label, $seed) = unpack "x104 H32 Z16 x100 H32", $_;
			s/(.{8})(.{4})(.{4})(.{4})(.{12})/$1-$2-$3-$4-$5/ for $uuid, $seed;
			unpack("x56 v", $_) == 0xEF53 or die "the blank image has no ext4 file system\n"; print "$uuid $seed $label"'
}

# Reads the layout and begins the image with everything before the root partition.
# shellcheck disable=SC2034 # for build.sh
read_layout() {
	size=$(unzip -l "$blank" | awk 'END { print $1 }')
	size_field=blank_image.size
	head_of_blank 512 >"$work/mbr" || broken "$blank"
	# disk id, start and sectors of the first three partitions, as the table has them
	# shellcheck disable=SC2046
	set -- $(perl -e 'binmode STDIN; read(STDIN, $_, 512) == 512 or die;
		printf "%08x %d %d %d %d %d", unpack "x440 V x2 x8 V V x8 V V x8 V", $_' <"$work/mbr") || broken "$blank"
	disk_id=$1 boot_start=$2 boot_sectors=$3 root_start=$4 root_sectors=$5 second_start=$6
	# Two root slots: the second one waits for the first update.
	[ "$second_start" -ne 0 ] || second_start=
	# With the superblock, two sectors behind the start, so that the blank image is unpacked once.
	head_of_blank $((root_start * 512 + 2048)) | dd of="$image" bs=1M iflag=fullblock conv=sparse status=none
	# shellcheck disable=SC2046
	set -- $(dd if="$image" bs=512 skip=$((root_start + 2)) status=none | read_superblock)
	uuid=$1 seed=$2 label=${3:-root}
	if [ -n "$second_start" ]; then
		# shellcheck disable=SC2046
		set -- $(head_of_blank $((second_start * 512 + 2048)) | tail -c 1024 | read_superblock)
		second_uuid=$1 second_seed=$2 second_label=${3:-slot_b}
	fi
	truncate -s $((root_start * 512)) "$image"
	truncate -s "$size" "$image"
}

# Gives the root partition the size of its content and ROOT_RESERVE bytes more, and writes that into
# the partition table: with blank_image.size "auto", only now is it known.
fit_root() {
	size_field=blank_image.reserve
	align=$((${ALIGNMENT:-4194304} / 512))
	# Blocks of 4 KiB of the content, one in fifty more for extents, directories and attributes; files.
	# shellcheck disable=SC2046
	set -- $(find "$root" -printf '%D:%i %s\n' | awk '!seen[$1]++ { blocks += int(($2 + 4095) / 4096); files++ }
		END { printf "%d %d", blocks * 1.02, files }')
	# A journal of 64 MiB; of what remains, inodes take 1/32 (256 bytes for each 8 KiB) and root's own
	# share 1/100, and the tables of the groups less than 1/200.
	root_sectors=$((($1 * 8 + ROOT_RESERVE / 512 + 131072) * 1000 / (1000 - 32 - 10 - 5)))
	# An inode for each file, and as many again for the reserve.
	[ $((root_sectors / 16)) -ge $(($2 * 2)) ] || root_sectors=$(($2 * 2 * 16))
	root_sectors=$(((root_sectors + align - 1) / align * align))
	second= slots=1
	if [ -n "$second_start" ]; then
		second_start=$((root_start + root_sectors))
		slots=2 second="start=$second_start, size=$root_sectors, type=83"
	fi
	size=$(((root_start + root_sectors * slots) * 512))
	truncate -s "$((root_start * 512))" "$image"
	truncate -s "$size" "$image"
	say "Partitioning $image: root $((root_sectors / 2048)) MiB for $(($1 / 256)) MiB of content"
	sfdisk --quiet --no-reread --wipe never --wipe-partitions never "$image" <<TABLE
label: dos
label-id: 0x$disk_id
start=$boot_start, size=$boot_sectors, type=c, bootable
start=$root_start, size=$root_sectors, type=83
$second
TABLE
}
