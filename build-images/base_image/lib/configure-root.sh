#!/bin/sh
# shellcheck disable=SC2016 # awk's dollars
#
# Gives a root file system its name, its user and its network: everything that configs.json sets for
# root_fs, and that needs no program of the target. Runs natively and can be repeated.
#
# usage: configure-root.sh ROOT
# Environment: HYPRIOT_HOSTNAME, HYPRIOT_GROUPNAME, HYPRIOT_USERNAME, HYPRIOT_PASSWORD (plain, or a
# crypt hash), HYPRIOT_OS_VERSION, BUILD_ARCH, VARIANT, SOURCE_DATE_EPOCH
set -eu
# shellcheck source=common.sh
. /usr/lib/hypriotkit/common.sh

root=${1:?usage: configure-root.sh ROOT}
: "${SOURCE_DATE_EPOCH:?}" "${BUILD_ARCH:?}" "${VARIANT:=debian}"
day=$((SOURCE_DATE_EPOCH / 86400))
id=1000

# --- what was asked for -------------------------------------------------------------------------

# Dies unless the value of the variable $1 matches the extended expression $2. grep sees lines, so a
# line break is refused first.
newline='
'
check() {
	value=
	eval "value=\${$1:-}"
	case $value in *"$newline"*) die BAD_VALUE "$1 has a line break in it" "$3" ;; esac
	printf '%s\n' "$value" | LC_ALL=C grep -Eqx -- "$2" || die BAD_VALUE "$1 cannot be used${4:+: \"$value\"}" "$3"
}
name='[a-z_][a-z0-9_-]{0,31}'
check HYPRIOT_HOSTNAME '[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?' \
	'A host name has letters, digits and inner hyphens, at most 63 of them.' show
check HYPRIOT_USERNAME "$name" 'A user name starts with a lower-case letter or _ and goes on with those, digits and -, at most 32 in all.' show
check HYPRIOT_GROUPNAME "$name" 'A group name starts with a lower-case letter or _ and goes on with those, digits and -, at most 32 in all.' show
check HYPRIOT_OS_VERSION '[A-Za-z0-9][A-Za-z0-9._+~-]*' 'A version has letters, digits and . _ + ~ -' show
check HYPRIOT_PASSWORD '[^:]+' 'A password must not be empty and has no colon and no line break.'

# The id of the name $2 in the passwd or group file $1.
id_of() { awk -F : -v name="$2" '$1 == name { print $3 }' "$root/etc/$1"; }
name_of() { awk -F : -v id="$2" '$3 == id { print $1 }' "$root/etc/$1"; }

taken=$(id_of passwd "$HYPRIOT_USERNAME")
[ "${taken:-$id}" = "$id" ] || die BAD_VALUE "HYPRIOT_USERNAME cannot be '$HYPRIOT_USERNAME': that is a system user (uid $taken)" 'Choose another user name.'
taken=$(name_of passwd "$id")
[ "${taken:-$HYPRIOT_USERNAME}" = "$HYPRIOT_USERNAME" ] || die BAD_VALUE "HYPRIOT_USERNAME cannot be '$HYPRIOT_USERNAME': uid $id already belongs to '$taken'"

# --- small tools --------------------------------------------------------------------------------

# Runs an awk program over a file of the root, in place: owner and mode stay.
edit() {
	edited=$root/etc/$1
	shift
	[ -e "$edited" ] || : >"$edited"
	awk -F : -v OFS=: "$@" "$edited" >"$edited.hypriotkit"
	cat "$edited.hypriotkit" >"$edited"
	rm "$edited.hypriotkit"
}

# Replaces the line of $2 in the file $1, or appends it: $3 is the whole line.
put_line() {
	LINE=$3 edit "$1" -v name="$2" '
		$1 == name { if (!done) print ENVIRON["LINE"]; done = 1; next }
		{ print }
		END { if (!done) print ENVIRON["LINE"] }'
}

put_file() { # path, mode; content on stdin
	mkdir -p "$root/$(dirname "$1")"
	rm -f "$root/$1"
	cat >"$root/$1"
	chmod "$2" "$root/$1"
}

# --- the user -----------------------------------------------------------------------------------

case $HYPRIOT_PASSWORD in
\$[1567y]\$* | \$2[aby]\$* | \$gy\$*) hash=$HYPRIOT_PASSWORD ;;
*)
	# The same configuration gives the same image, so the salt cannot be random. It differs for
	# each user and host name.
	salt=$(printf 'hypriotkit password salt:%s:%s:%s' "$HYPRIOT_USERNAME" "$HYPRIOT_HOSTNAME" "$SOURCE_DATE_EPOCH" |
		sha256sum | cut -c 1-16)
	hash=$(printf '%s\n' "$HYPRIOT_PASSWORD" | openssl passwd -6 -salt "$salt" -stdin)
	;;
esac

# The smallest systems lack the package that makes these.
for file in shadow gshadow; do
	[ -e "$root/etc/$file" ] || install -m 0640 -o 0 -g "$(id_of group shadow)" /dev/null "$root/etc/$file"
done

gid=$(id_of group "$HYPRIOT_GROUPNAME")
if [ -z "$gid" ]; then
	gid=$id
	put_line group "$HYPRIOT_GROUPNAME" "$HYPRIOT_GROUPNAME:x:$gid:"
	put_line gshadow "$HYPRIOT_GROUPNAME" "$HYPRIOT_GROUPNAME:!::"
fi
put_line passwd "$HYPRIOT_USERNAME" "$HYPRIOT_USERNAME:x:$id:$gid::/home/$HYPRIOT_USERNAME:/bin/bash"
put_line shadow "$HYPRIOT_USERNAME" "$HYPRIOT_USERNAME:$hash:$day:0:99999:7:::"
for file in subuid subgid; do
	put_line "$file" "$HYPRIOT_USERNAME" "$HYPRIOT_USERNAME:100000:65536"
	chmod 0644 "$root/etc/$file"
done

# Those that exist; which ones do depends on the packages.
for file in group gshadow; do
	edit "$file" -v user="$HYPRIOT_USERNAME" '
		BEGIN { count = split("sudo users video audio dialout plugdev netdev input render gpio i2c spi docker", names, " "); for (i = 1; i <= count; i++) wanted[names[i]] = 1 }
		($1 in wanted) && index("," $4 ",", "," user ",") == 0 { $4 = ($4 == "" ? "" : $4 ",") user }
		{ print }'
done

# Nobody logs in as root: sudo is the way.
edit shadow '$1 == "root" { $2 = "*" } { print }'
if [ -d "$root/etc/ssh" ]; then
	put_file etc/ssh/sshd_config.d/20-hypriot.conf 0644 <<'EOF'
# Written by hypriotkit
PermitRootLogin no
EOF
fi

home=$root/home/$HYPRIOT_USERNAME
if [ ! -d "$home" ]; then
	mkdir -p "$root/home"
	cp -a "$root/etc/skel" "$home"
	chmod 0700 "$home"
fi
chown -hR "$id:$gid" "$home"

put_file "etc/sudoers.d/user-$HYPRIOT_USERNAME" 0440 <<EOF
$HYPRIOT_USERNAME ALL=(ALL) NOPASSWD: ALL
EOF
chmod 0750 "$root/etc/sudoers.d"

/usr/lib/hypriotkit/configure-cloud-init.sh "$root" "$HYPRIOT_USERNAME" "$HYPRIOT_GROUPNAME"

# --- names --------------------------------------------------------------------------------------

put_file etc/hostname 0644 <<EOF
$HYPRIOT_HOSTNAME
EOF
put_file etc/hosts 0644 <<EOF
127.0.0.1	localhost
127.0.1.1	$HYPRIOT_HOSTNAME
::1		localhost ip6-localhost ip6-loopback
ff02::1		ip6-allnodes
ff02::2		ip6-allrouters
EOF

# /etc/os-release is a link to it.
release=$root/usr/lib/os-release
{
	sed '/^HYPRIOT_/d' "$release"
	printf 'HYPRIOT_OS="HypriotOS/%s"\n' "$BUILD_ARCH"
	printf 'HYPRIOT_OS_VERSION="%s"\n' "$HYPRIOT_OS_VERSION"
} >"$release.hypriotkit"
cat "$release.hypriotkit" >"$release"
rm "$release.hypriotkit"

system="HypriotOS ($(sed -n 's/^NAME="\(.*\)"/\1/p' "$release") $(sed -n 's/^VERSION_ID="\(.*\)"/\1/p' "$release"))"
printf '%s \\n \\l\n\n' "$system" | put_file etc/issue 0644
printf '%s\n' "$system" | put_file etc/issue.net 0644
printf '\n%s\n\n' "$system" | put_file etc/motd 0644

# A system that was never asked for a language speaks UTF-8.
if ! grep -qs '^ *LANG=' "$root/etc/locale.conf"; then
	printf 'LANG=C.UTF-8\n' >>"$root/etc/locale.conf"
	mkdir -p "$root/etc/default"
	[ -e "$root/etc/default/locale" ] || ln -s ../locale.conf "$root/etc/default/locale"
fi

# --- network ------------------------------------------------------------------------------------

put_file etc/systemd/network/20-wired.network 0644 <<'EOF'
# Written by hypriotkit: every wired interface gets its address by DHCP.
[Match]
Name=en* eth*

[Network]
DHCP=yes
EOF
# A board without a cable must not wait for two minutes.
put_file etc/systemd/system/systemd-networkd-wait-online.service.d/hypriotkit.conf 0644 <<'EOF'
[Service]
ExecStart=
ExecStart=/usr/lib/systemd/systemd-networkd-wait-online --any --timeout=15
EOF
if [ -e "$root/usr/lib/systemd/systemd-resolved" ]; then
	ln -sfn ../run/systemd/resolve/stub-resolv.conf "$root/etc/resolv.conf"
fi

# --- each card's own ----------------------------------------------------------------------------

# Empty and not "uninitialized": systemd makes an id at the first boot, but does not take it for a
# first boot, at which it would ask questions on the console.
: >"$root/etc/machine-id"
rm -f "$root"/etc/ssh/ssh_host_*_key* "$root/var/lib/dbus/machine-id"
# ssh-keygen -A makes the keys that are missing and leaves the others alone.
put_file etc/systemd/system/ssh-host-keys.service 0644 <<'EOF'
[Unit]
Description=SSH host keys of this machine
Before=ssh.service
ConditionPathIsReadWrite=/etc/ssh

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/bin/ssh-keygen -A

[Install]
WantedBy=ssh.service ssh.socket
EOF

# As `systemctl enable` on the device would, only natively.
for unit in systemd-networkd systemd-resolved systemd-timesyncd ssh-host-keys; do
	for file in "$root/usr/lib/systemd/system/$unit.service" "$root/etc/systemd/system/$unit.service"; do
		[ -e "$file" ] || continue
		systemctl --root="$root" --quiet enable "$unit.service" || die CONFIGURE_FAILED "$unit.service cannot be enabled in the root file system"
	done
done
