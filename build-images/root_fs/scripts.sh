#!/bin/sh
# Step root_fs.scripts: runs the scripts of configs.json in the root file system with its packages and
# the overlay's files. docs/build-images.md says what comes in and what goes out.
set -eu
# shellcheck source=../base_image/lib/common.sh
. /usr/lib/hypriotkit/common.sh

: "${BUILD_ARCH:?}" "${SCRIPTS:?}" "${SOURCE_DATE_EPOCH:?}"
input=/inputs/root_fs.packages/rootfs-packages.tar.zst
output=$PWD
root=$(mktemp -d)
trap '[ -e "$output/.done" ] || rm -f "$output/rootfs-packages.tar.zst"; rm -f "$output/.done"' EXIT
trap 'exit 130' INT TERM

say 'Unpacking the packages'
tar --zstd --numeric-owner --xattrs --xattrs-include='*' -xpf "$input" -C "$root" ||
	die INPUT_BROKEN "$input cannot be unpacked" 'Run the same command again: a damaged file in the volume is found and built again.'
/usr/lib/hypriotkit/apply-overlay "$root" --plain

# shellcheck disable=SC2016
installed() {
	dpkg-query --admindir="$root/var/lib/dpkg" --show --showformat '${Package}\t${Version}\t${Architecture}\n' | LC_ALL=C sort
}
installed >/tmp/before

# Nothing may be started, and names are resolved as this container does.
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
chmod 0755 "$root/usr/sbin/policy-rc.d"
mkdir -p "$root/run/systemd/resolve" "$root/run/lock"
cat /etc/resolv.conf >"$root/run/systemd/resolve/stub-resolv.conf"
chmod 1777 "$root/tmp"

# Not through a pipe: a script must not read the others from its standard input.
count=$(printf '%s\n' "$SCRIPTS" | wc -l)
number=0
while [ "$number" -lt "$count" ]; do
	name=$(printf '%s\n' "$SCRIPTS" | sed -n "$((number + 1))p" | cut -f 3)
	say "Running $name"
	script=$root/tmp/hypriotkit-script
	cp "/workspace/.files/scripts/$number" "$script"
	chmod 0755 "$script"
	{
		status=0
		env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root SHELL=/bin/sh LC_ALL=C.UTF-8 TZ=UTC \
			DEBIAN_FRONTEND=noninteractive SOURCE_DATE_EPOCH="$SOURCE_DATE_EPOCH" BUILD_ARCH="$BUILD_ARCH" SYSTEMD_OFFLINE=1 \
			QEMU_CPU="${QEMU_CPU:-max}" chroot "$root" /tmp/hypriotkit-script </dev/null 2>&1 || status=$?
		echo "$status" >/tmp/status
	} | tee /tmp/log
	status=$(cat /tmp/status)
	if [ "$status" -ne 0 ]; then
		last=$(grep -v '^[[:space:]]*$' /tmp/log | tail -n 1 | tr -cd '[:print:]' | cut -c 1-200)
		hint='Its output is above.'
		if [ "$status" -eq 126 ] || [ "$status" -eq 127 ]; then
			hint='Is its interpreter, or a program that it calls, in root_fs.packages? Its output is above.'
		elif [ -z "${SCRIPTS_NETWORK:-}" ] && grep -qi 'resolve\|unreachable\|network' /tmp/log; then
			hint='Scripts have no network unless root_fs.scripts_network is true. Its output is above.'
		fi
		die SCRIPT_FAILED "$name ended with exit status $status${last:+: $last}" "$hint"
	fi
	rm -f "$script"
	number=$((number + 1))
done

rm -f "$root/usr/sbin/policy-rc.d"
rm -rf "$root"/run/* "$root"/tmp/* "$root"/var/tmp/*
mkdir -p -m 1777 "$root/run/lock"
/usr/lib/hypriotkit/clean-root.sh "$root"
# What the scripts themselves installed; where from, they alone know.
installed | LC_ALL=C comm -13 /tmp/before - | sed 's/$/\t-/' >packages.tsv

say 'Packing the root file system'
reproducible_tar -C "$root" -cf - . | zstd -q -3 -T2 -o rootfs-packages.tar.zst
: >.done
say "$count scripts, $(stat -c %s rootfs-packages.tar.zst) bytes"
