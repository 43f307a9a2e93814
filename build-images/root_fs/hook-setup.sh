#!/bin/sh
# mmdebstrap's setup hook: settings of dpkg and apt that already hold for the first package, and stay
# in the image, so that packages installed on the device behave the same.
set -eu
root=$1
mkdir -p "$root/etc/dpkg/dpkg.cfg.d" "$root/etc/apt/apt.conf.d"
cp /builder/dpkg-excludes "$root/etc/dpkg/dpkg.cfg.d/hypriotkit"
cat >"$root/etc/apt/apt.conf.d/90hypriotkit" <<'EOF'
Acquire::Languages "none";
EOF
# Only while the image is made: what a power failure leaves is thrown away, and mirrors drop.
echo force-unsafe-io >"$root/etc/dpkg/dpkg.cfg.d/hypriotkit-build"
cat >"$root/etc/apt/apt.conf.d/91hypriotkit-build" <<'EOF'
Acquire::Retries "3";
Acquire::http::Timeout "30";
Acquire::https::Timeout "30";
EOF
