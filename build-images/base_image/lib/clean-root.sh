#!/bin/sh
# Takes out of a root file system what the building of it left behind: logs, caches, backups, secrets
# that each card has to make for itself, and dates. Runs natively.
# usage: clean-root.sh ROOT
set -eu
root=$1

rm -f "$root"/etc/dpkg/dpkg.cfg.d/hypriotkit-build "$root"/etc/apt/apt.conf.d/91hypriotkit-build

# What dpkg-excludes names: the essential packages were unpacked without dpkg, and so with it. The
# folders of the manual stay, because update-alternatives needs them.
share=$root/usr/share
for folder in man info locale lintian linda; do
	[ ! -d "$share/$folder" ] || find "$share/$folder" ! -type d ! -name locale.alias -delete
done
find "$share/doc" ! -type d ! -name copyright -delete
find "$share/doc" "$share/locale" -mindepth 1 -type d -empty -delete

# made anew at first boot
rm -f "$root"/etc/ssh/ssh_host_*_key* "$root"/var/lib/dbus/machine-id \
	"$root"/var/lib/systemd/random-seed "$root"/var/lib/systemd/credential.secret
: >"$root/etc/machine-id"

# the building machine's
rm -f "$root"/etc/.resolv.conf.systemd-resolved.bak "$root/etc/resolv.conf"
if [ -e "$root/usr/lib/systemd/systemd-resolved" ]; then
	ln -s ../run/systemd/resolve/stub-resolv.conf "$root/etc/resolv.conf"
else
	: >"$root/etc/resolv.conf"
fi
echo localhost >"$root/etc/hostname"

# logs, caches and the files before the last change, which depend on how often a tool ran
find "$root/var/log" -type f -size +0 -delete
find "$root/var/cache/ldconfig" "$root/var/cache/apt" "$root/var/lib/apt/lists" -type f -delete 2>/dev/null || :
rm -f "$root"/var/cache/debconf/*-old "$root"/var/lib/dpkg/*-old \
	"$root"/etc/passwd- "$root"/etc/group- "$root"/etc/shadow- "$root"/etc/gshadow- "$root"/etc/subuid- "$root"/etc/subgid-
find "$root/usr" -type d -name __pycache__ -prune -exec rm -rf {} +

# The day of the last password change is the day of the image, not of the build.
# The smallest systems have no passwords at all.
[ ! -e "$root/etc/shadow" ] || {
	awk -F : -v OFS=: -v day="$((SOURCE_DATE_EPOCH / 86400))" '$3 != "" { $3 = day } { print }' "$root/etc/shadow" >"$root/etc/shadow.new"
	cat "$root/etc/shadow.new" >"$root/etc/shadow"
	rm "$root/etc/shadow.new"
}
