#!/bin/sh
# Lets the tools of this container run in place of their emulated twins inside a root file system of
# a foreign architecture; native-exec.c says how. Everything is kept in one folder of that root and
# one link, so that `leave` has nothing to restore.
#
# usage: native-tools.sh enter ROOT VERSIONS   VERSIONS: file with "package version" lines, what ROOT has or will get
#        native-tools.sh leave ROOT [LIST]    LIST: the packages that were installed, as /inputs/*/list.tsv
#
# After `enter`, run what works in ROOT with LD_PRELOAD=/usr/lib/hypriotkit/native-exec.so. BUILD_ARCH
# is ROOT's architecture. NATIVE_OVERLAY=off makes `enter` do nothing.
set -eu
# shellcheck source=common.sh
. /usr/lib/hypriotkit/common.sh

# Packages of programs that do the same on every architecture. Not apt and libc-bin (ldconfig, getconf
# and localedef know their own architecture), not python (its extension modules lie in paths that
# both architectures share).
packages='bash bsdutils coreutils cpio dash debianutils diffutils dpkg e2fsprogs findutils grep gzip hostname
	init-system-helpers kmod libpam-modules-bin login mawk mount ncurses-bin openssh-client openssl passwd perl-base
	sed systemd sysvinit-utils tar udev util-linux xz-utils zstd'
# These answer for the machine that they were built for.
emulated='arch uname setarch linux32 linux64 lscpu'

command=$1
root=$2
room=$root/.hypriotkit

# The loader and the multiarch library folder of this container, as a program of it sees them.
loader=$(ldd /usr/bin/true | awk '/ld-linux|ld64|ld\.so/ { print $1 }')
libraries=$(dirname "$(readlink -f "$(ldd /usr/bin/true | awk '$1 == "libc.so.6" { print $3 }')")")

enter() {
	native=$(dpkg --print-architecture)
	[ "${NATIVE_OVERLAY:-on}" != off ] && [ "$native" != "$BUILD_ARCH" ] || return 0
	# An x86-64 kernel runs i386 by itself.
	[ "$native/$BUILD_ARCH" != amd64/i386 ] || return 0
	if [ -e "$root$libraries" ]; then
		echo "native tools: off, the target has a $libraries of its own"
		return 0
	fi

	# Same package, same version: only then is the twin known to do the same. (+b1 is a rebuild of the
	# same source, which each architecture counts for itself.)
	# shellcheck disable=SC2016,SC2086
	dpkg-query --show --showformat '${db:Status-Abbrev} ${Package} ${Version}\n' $packages libc6 2>/dev/null |
		awk -v packages="$packages libc6" '
			{ version = $NF; sub(/\+b[0-9]+$/, "", version) }
			NR == FNR { target[$1] = version; next }
			/^ii/ { builder[$2] = version }
			END {
				count = split(packages, names)
				for (i = 1; i <= count; i++) {
					name = names[i]
					if (!(name in target) || !(name in builder)) continue
					print (target[name] == builder[name] ? "same" : "other"), name
				}
			}' "$versions" - >/tmp/native-tools.list
	other=$(awk '$1 == "other" { printf "%s%s", separator, $2; separator = " " }' /tmp/native-tools.list)
	if ! grep -qx 'same libc6' /tmp/native-tools.list; then
		echo 'native tools: off, the C library of the build container is another version than the target'\''s'
		return 0
	fi
	[ -z "$other" ] || echo "native tools: emulated, because the build container has another version: $other"

	mkdir -p "$room/root"
	cp -L "$loader" "$room/ld.so"
	cp /usr/lib/hypriotkit/native-exec.so "$room/"
	# Twins lie under the real name of the program in the target, and merged /usr is all there is.
	# shellcheck disable=SC2046
	dpkg-query --listfiles $(awk '$1 == "same" && $2 != "libc6" { print $2 }' /tmp/native-tools.list) |
		sed -n 's,^/\(usr/\)\?\(s\?bin/.*\|lib/\(systemd\|udev\|dpkg\|openssh\)/.*\),usr/\2,p' | sort -u |
		while read -r file; do
			case " $emulated " in *" ${file##*/} "*) continue ;; esac
			[ -L "/$file" ] || [ ! -f "/$file" ] || [ ! -x "/$file" ] || printf '%s\n' "$file"
		done | perl -ne 'chomp; open my $f, "<", "/$_" or next; read $f, my $magic, 4; print "$_\n" if $magic eq "\177ELF"' \
		>/tmp/native-tools.files
	tar -C / -cf - -T /tmp/native-tools.files | tar -C "$room/root" -xf -
	chmod -R u-s,g-s "$room/root"

	# dpkg's own architecture is one string in each of its programs: the twins must say the target's.
	NATIVE=$native perl -e '
		for my $path (@ARGV) {
			open my $file, "+<:raw", $path or next;
			my $text = do { local $/; <$file> };
			my $length = length($ENV{NATIVE}) + 1;
			next if length($ENV{BUILD_ARCH}) >= $length;
			my $count = $text =~ s/\0\Q$ENV{NATIVE}\E\0/"\0" . pack("a$length", $ENV{BUILD_ARCH})/ge;
			next unless $count;
			seek $file, 0, 0; print $file $text;
		}' "$room"/root/usr/bin/dpkg*
	[ "$("$room/root/usr/bin/dpkg" --print-architecture)" = "$BUILD_ARCH" ] || rm -f "$room"/root/usr/bin/dpkg*

	# Libraries, and the modules that programs look for in this folder: those of PAM, of systemd and
	# of perl. Full perl must not be more than the target will have.
	mkdir "$room/lib"
	modules='perl-base security systemd'
	if grep -q '^perl ' "$versions"; then modules="$modules perl"; fi
	for entry in "$libraries"/*.so* $modules; do
		[ ! -e "$libraries/${entry##*/}" ] || cp -a "$libraries/${entry##*/}" "$room/lib/"
	done
	ln -s /.hypriotkit/lib "$root$libraries"
	echo "native tools: $(wc -l </tmp/native-tools.files) programs"
}

leave() {
	[ -d "$room" ] || return 0
	if [ -L "$root$libraries" ]; then rm "$root$libraries"; fi
	rm -rf "$room"
	# Nothing was replaced and nothing went through the link; this proves it.
	# shellcheck disable=SC2046
	set -- $(awk 'NR == FNR { if ($1 == "same") twin[$2]; next } $1 in twin { print "/packages/" $4 ".deb" }' \
		/tmp/native-tools.list "${list:-/dev/null}")
	/usr/lib/hypriotkit/check-root "$root" "$@" >/tmp/native-tools.leaks
	leak=$(head -n 1 /tmp/native-tools.leaks)
	! grep -q "^$libraries/" "$root"/var/lib/dpkg/info/*.list || leak="$libraries has files of a package"
	[ -z "$leak" ] || { cat /tmp/native-tools.leaks >&2; die NATIVE_TOOLS_LEAK "the native tools have left something in the root file system: $leak" 'Build again with NATIVE_OVERLAY=off.'; }
	echo "native tools: checked, with the hard links of $# packages"
}

case $command in
enter) versions=$3; enter ;;
leave) list=${3:-}; leave ;;
*) echo "usage: $0 enter ROOT VERSIONS | leave ROOT [LIST]" >&2; exit 2 ;;
esac
