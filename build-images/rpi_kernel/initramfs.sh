#!/bin/sh
# Makes an initramfs natively: busybox, the modules of modules.list, and /init. mkinitramfs would
# have to run emulated, which takes minutes.
#
# usage: initramfs.sh TREE RELEASE BUSYBOX OUTPUT      TREE has lib/modules/RELEASE with its indexes
set -eu

tree=$1 release=$2 busybox=$3 output=$4
here=$(dirname "$0")
root=$(mktemp -d)

mkdir -p "$root/bin" "$root/dev" "$root/proc" "$root/sys" "$root/run" "$root/root" "$root/lib/modules/$release"
ln -s bin "$root/sbin"
cp "$busybox" "$root/bin/busybox"
ln -s busybox "$root/bin/sh"
ln -s busybox "$root/bin/modprobe"
cp "$here/init" "$root/init"

# Modules and what they depend on, decompressed: the whole archive is compressed once, and better.
sed -e 's/#.*//' -e '/^[[:space:]]*$/d' "$here/modules.list" >"$root/modules"
while read -r module; do
	modprobe --set-version "$release" --dirname "$tree" --show-depends "$module" 2>/dev/null || true
done <"$root/modules" | sed -n 's/^insmod \([^ ]*\).*/\1/p' | LC_ALL=C sort -u |
	while read -r file; do
		target=$root/lib/modules/$release/${file#*"/lib/modules/$release/"}
		mkdir -p "${target%/*}"
		case $file in
		*.xz) xz -dc "$file" >"${target%.xz}" ;;
		*.zst) zstd -qdc "$file" >"${target%.zst}" ;;
		*.gz) gzip -dc "$file" >"${target%.gz}" ;;
		*) cp "$file" "$target" ;;
		esac
	done
cp "$tree/lib/modules/$release"/modules.builtin* "$tree/lib/modules/$release/modules.order" "$root/lib/modules/$release/"
for module in ext4 bcm2835 sdhci-iproc; do
	grep -q "/$module\.ko" "$root/lib/modules/$release/modules.builtin" ||
		[ -n "$(find "$root/lib/modules" -name "$module.ko")" ] || {
		echo "the kernel $release has no module $module: it cannot reach a root file system on an SD card" >&2
		exit 1
	}
done
depmod -b "$root" "$release"
# busybox reads only these two indexes.
find "$root/lib/modules/$release" -maxdepth 1 -type f ! -name modules.dep ! -name modules.alias -delete

chmod 0755 "$root" "$root/init" "$root/bin/busybox"
find "$root" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
(cd "$root" && find . | LC_ALL=C sort | cpio --quiet --reproducible -H newc -R 0:0 -o) |
	zstd -q -19 -T2 -o "$output"
rm -rf "$root"
