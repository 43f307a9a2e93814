#!/bin/sh
# Turns a bare Debian into hypriotkit's base image. Runs inside `docker build`.
set -eu

here=$(dirname "$0")
export DEBIAN_FRONTEND=noninteractive

# A mirror from the configuration replaces Debian's own; without one the image keeps what the
# bootstrap or the pulled image chose.
if [ -n "${MIRROR:-}" ]; then
	. /etc/os-release
	rm -f /etc/apt/sources.list.d/*
	printf 'deb %s %s main\n' "$MIRROR" "$VERSION_CODENAME" >/etc/apt/sources.list
fi

# Man pages, translations, documentation and descriptions of hardware only make the image slower to import.
cat >/etc/dpkg/dpkg.cfg.d/hypriotkit <<'EOF'
path-exclude=/usr/share/man/*
path-exclude=/usr/share/doc/*
path-exclude=/usr/share/locale/*
path-exclude=/usr/share/info/*
path-exclude=/usr/lib/udev/hwdb.d/*
force-unsafe-io
EOF
cat >/etc/apt/apt.conf.d/90hypriotkit <<'EOF'
Acquire::Languages "none";
Acquire::Retries "3";
Acquire::http::Timeout "30";
Acquire::https::Timeout "30";
APT::Install-Recommends "false";
EOF

install -d /usr/lib/hypriotkit /usr/share/hypriotkit
cp -R "$here"/lib/. /usr/lib/hypriotkit/
chmod 0755 /usr/lib/hypriotkit /usr/lib/hypriotkit/*

apt-get update
# The pinned image is older than the archive; what is in it is to be what the archive has, so that the
# origin of every package can be recorded.
apt-get dist-upgrade -y
apt-get install -y \
	ca-certificates cpio dosfstools e2fsprogs fdisk kmod libarchive13t64 locales mmdebstrap \
	mtools openssh-client openssl passwd perl pigz python3-minimal qemu-user systemd udev unzip xz-utils zip zstd
# systemd, udev and openssh-client never run here: their tools stand in for the emulated ones of a
# foreign root file system (native-tools.sh). So does the library that makes it happen; the compiler
# and what it needs are not kept. python3-minimal compiles the modules of a root file system
# (compile-python).
compiler='tcc libc6-dev libssl-dev libzstd-dev zlib1g-dev'
# Only what is new: a line about an upgrade has the old version in brackets.
# shellcheck disable=SC2086 # a list
installed=$(apt-get --simulate install $compiler | sed -n 's/^Inst \([^ ]*\) (.*/\1/p')
# shellcheck disable=SC2086
apt-get install -y $compiler
tcc -shared -Wall -o /usr/lib/hypriotkit/native-exec.so "$here/lib/native-exec.c"
tcc -Wall -o /usr/lib/hypriotkit/pack-image "$here/lib/pack-image.c" -lz -lzstd -lcrypto
tcc -Wall -o /usr/lib/hypriotkit/sparse-sha256 "$here/lib/sparse-sha256.c" -lcrypto
# shellcheck disable=SC2086
apt-get purge -y $installed

# Only the emulators that a root_fs target can need: the others are most of this image's size.
find /usr/bin -name 'qemu-*' ! -name qemu-aarch64 ! -name qemu-arm ! -name qemu-mips \
	! -name qemu-i386 ! -name qemu-x86_64 -delete

# The archive's own date: the default for SOURCE_DATE_EPOCH, so that images carry the date of
# what they are made of and not of the day on which somebody built them.
. /usr/lib/hypriotkit/common.sh
archive_date >/usr/share/hypriotkit/archive-date

# What the tools of this image are: part of the identity of every step, and of the lock.
/usr/lib/hypriotkit/record-packages.sh

apt-get clean
rm -rf /var/lib/apt/lists/* /var/log/apt /var/log/dpkg.log /var/cache/ldconfig/aux-cache
