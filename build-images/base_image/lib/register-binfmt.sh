#!/bin/sh
# Registers qemu for the given architectures with the kernel of the engine's host, then waits until
# its standard input closes. The only script that needs more than a plain container: CAP_SYS_ADMIN
# and an unmasked /proc/sys.
#
# It waits because a registration lives as long as some mount of binfmt_misc does (Linux 6.7 and
# newer). Where the host mounts it, that is until the next boot; where it does not, this container's
# mount is the only one, and the registration ends with the run that needed it.
#
# usage: register-binfmt.sh ARCH...      (arm64, armhf, mips, i386 or amd64)
#        register-binfmt.sh              keeps what another run has registered when that run ends first
# Flags: F opens the interpreter now, so that it works in every container and chroot without being
# there; P keeps argv[0]. Magic and mask are those of the ELF header: class, byte order, e_type
# EXEC or DYN, e_machine.
set -eu

binfmt=/proc/sys/fs/binfmt_misc
[ -e "$binfmt/register" ] || mount -t binfmt_misc binfmt_misc "$binfmt"

register() { # name, interpreter, magic, mask
	# A registration that is disabled or lacks F cannot be changed, only replaced.
	if [ -e "$binfmt/$1" ]; then echo -1 >"$binfmt/$1"; fi
	printf ':%s:M:0:%s:%s:%s:F' "$1" "$3" "$4" "$2" >"$binfmt/register"
}

mask_le='\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff'
mask_be='\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff'
header32='\x7fELF\x01\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00'
header64='\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00'

for arch in "$@"; do
	case $arch in
	arm64) register qemu-aarch64 /usr/bin/qemu-aarch64 "$header64"'\xb7\x00' "$mask_le" ;;
	armhf) register qemu-arm /usr/bin/qemu-arm "$header32"'\x28\x00' "$mask_le" ;;
	amd64) register qemu-x86_64 /usr/bin/qemu-x86_64 "$header64"'\x3e\x00' "$mask_le" ;;
	i386) register qemu-i386 /usr/bin/qemu-i386 "$header32"'\x03\x00' "$mask_le" ;;
	mips) register qemu-mips /usr/bin/qemu-mips \
		'\x7fELF\x01\x02\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x08' "$mask_be" ;;
	*)
		echo "no binfmt registration is known for the architecture '$arch'" >&2
		exit 1
		;;
	esac
	echo "registered qemu for $arch"
done

echo 'ready'
cat >/dev/null
