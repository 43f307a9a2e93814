#!/bin/sh
# Lets cloud-init take its data from the card and leave alone what is configured already. Runs natively
# and can be repeated; does nothing in a root file system without cloud-init.
#
# usage: configure-cloud-init.sh ROOT USERNAME GROUPNAME
set -eu
root=$1 user=$2 group=$3
here=$(dirname "$0")
units=$root/etc/systemd/system

[ -e "$root/usr/bin/cloud-init" ] || exit 0

# `users: [default]` and `user: {name: ...}` in user-data speak of this user.
groups=$(awk -F : -v user="$user" 'index("," $4 ",", "," user ",") { printf "%s%s", separator, $1; separator = ", " }' "$root/etc/group")
{
	cat "$here/cloud.cfg"
	cat <<CFG

users: [default]
system_info:
  distro: debian
  default_user:
    name: $user
    primary_group: $group
    groups: [$groups]
    shell: /bin/bash
    sudo: ["ALL=(ALL) NOPASSWD:ALL"]
    lock_passwd: false
  network:
    renderers: [netplan]
    activators: [netplan]
CFG
} >"$root/etc/cloud/cloud.cfg.d/90_hypriot.cfg"
mkdir -p "$root/usr/lib/python3/dist-packages"
cp "$here/cc_hypriot_user.py" "$root/usr/lib/python3/dist-packages/"

# cloud-init always runs: its generator, which looks for the clouds of the world before every boot, has
# nothing to decide.
mkdir -p "$root/etc/systemd/system-generators" "$units/multi-user.target.wants" "$root/etc/tmpfiles.d"
ln -sfn /dev/null "$root/etc/systemd/system-generators/cloud-init-generator"
ln -sfn /usr/lib/systemd/system/cloud-init.target "$units/multi-user.target.wants/cloud-init.target"
# `cloud-init status` asks for this file.
echo 'f /run/cloud-init/enabled 0644 root root -' >"$root/etc/tmpfiles.d/cloud-init-enabled.conf"

# For interfaces that are plugged in later, which networkd takes care of.
systemctl --root="$root" --quiet disable cloud-init-hotplugd.socket
