#!/bin/sh
# Gives a configured root file system (configure-root.sh) the language, clock, keyboard and keys that
# configs.json sets for root_fs. Runs natively and can be repeated.
#
# usage: configure-system.sh ROOT
# Environment, each may be missing: SYSTEM_LOCALE, TIMEZONE, KEYBOARD, SSH_AUTHORIZED_KEYS (a line each);
# and HYPRIOT_USERNAME, BUILD_ARCH
set -eu
# shellcheck source=common.sh
. /usr/lib/hypriotkit/common.sh
root=${1:?usage: configure-system.sh ROOT}

put() { # path, mode; content on stdin
	mkdir -p "$root/$(dirname "$1")"
	rm -f "$root/$1"
	cat >"$root/$1"
	chmod "$2" "$root/$1"
}

# Compiles the locale here: the same for every architecture but for the order of bytes.
make_locale() {
	supported=/usr/share/i18n/SUPPORTED
	charmap=$(awk -v name="$1" '$1 == name { print $2 }' "$supported")
	[ -n "$charmap" ] || {
		near=$(sed -n "s/^\\(${1%%[_.]*}_[^ ]*UTF-8[^ ]*\\) .*/\\1/p" "$supported" | head -n 8 | paste -sd ' ')
		die BAD_VALUE "there is no locale '$1'${near:+; of this language there are $near}" 'Correct root_fs.locale in configs.json.'
	}
	order=--little-endian
	[ "$BUILD_ARCH" != mips ] || order=--big-endian
	mkdir -p "$root/usr/lib/locale"
	source=${1%%.*}
	case $1 in *@*) source=${1%%[.@]*}@${1#*@} ;; esac
	# It warns about what it finds odd in the sources and ends with 1, then.
	localedef --no-archive "$order" --prefix="$root" -i "$source" -f "$charmap" "$1" >/tmp/localedef.log 2>&1 ||
		[ "$?" -eq 1 ] || { cat /tmp/localedef.log >&2; die CONFIGURE_FAILED "the locale $1 cannot be made" 'The log above has the reason.'; }
	# An update of the package locales makes it anew.
	if [ -e "$root/etc/locale.gen" ]; then
		sed -i "s/^# \\($1 $charmap\\)\$/\\1/" "$root/etc/locale.gen"
	fi
}

case ${SYSTEM_LOCALE:-C.UTF-8} in
C | POSIX | C.UTF-8) ;;
*) make_locale "$SYSTEM_LOCALE" ;;
esac
[ -z "${SYSTEM_LOCALE:-}" ] || {
	printf 'LANG=%s\n' "$SYSTEM_LOCALE" | put etc/locale.conf 0644
	mkdir -p "$root/etc/default"
	ln -sfn ../locale.conf "$root/etc/default/locale"
}

[ -z "${TIMEZONE:-}" ] || {
	zone=usr/share/zoneinfo/$TIMEZONE
	[ -f "$root/$zone" ] || die BAD_VALUE "the root file system has no time zone '$TIMEZONE'" \
		'Correct root_fs.timezone in configs.json, or add the package tzdata (tzdata-legacy for old names) to root_fs.packages.'
	ln -sfn "../$zone" "$root/etc/localtime"
	printf '%s\n' "$TIMEZONE" | put etc/timezone 0644
}

[ -z "${KEYBOARD:-}" ] || {
	layout=${KEYBOARD%%(*} variant=
	case $KEYBOARD in *'('*) variant=${KEYBOARD#*(} variant=${variant%)} ;; esac
	rules=$root/usr/share/X11/xkb/rules/base.lst
	[ -e "$rules" ] || rules=$root/usr/share/X11/xkb/rules/evdev.lst
	section() { awk -v wanted="$1" '/^!/ { on = $2 == wanted } on && !/^!/' "$rules" 2>/dev/null; }
	if [ -e "$rules" ]; then
		section layout | awk '{ print $1 }' | grep -qxF -e "$layout" ||
			die BAD_VALUE "there is no keyboard layout '$layout'" \
				"Correct root_fs.keyboard in configs.json; the layouts are $(section layout | awk '{ print $1 }' | sort | paste -sd ' ')."
		[ -z "$variant" ] || section variant | awk -v layout="$layout:" '$2 == layout { print $1 }' | grep -qxF -e "$variant" ||
			die BAD_VALUE "the keyboard layout '$layout' has no variant '$variant'" \
				"Correct root_fs.keyboard in configs.json; the variants are $(section variant | awk -v layout="$layout:" '$2 == layout { print $1 }' | paste -sd ' ')."
	fi
	put etc/default/keyboard 0644 <<KEYBOARD
# Written by hypriotkit. See keyboard(5).
XKBMODEL="pc105"
XKBLAYOUT="$layout"
XKBVARIANT="$variant"
XKBOPTIONS=""
BACKSPACE="guess"
KEYBOARD
	# What was made for another layout.
	rm -f "$root"/etc/console-setup/cached_*
}

[ -z "${SSH_AUTHORIZED_KEYS:-}" ] || {
	home=$(awk -F : -v name="$HYPRIOT_USERNAME" '$1 == name { print $6 }' "$root/etc/passwd")
	printf '%s\n' "$SSH_AUTHORIZED_KEYS" | put "${home#/}/.ssh/authorized_keys" 0600
	chmod 0700 "$root$home/.ssh"
	chown -hR --reference="$root$home" "$root$home/.ssh"
}
