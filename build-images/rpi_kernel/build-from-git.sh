#!/bin/sh
# Compiles the kernel of a git repository, for arm64 on whatever this machine is: nothing runs emulated.
# docs/build-images.md says what comes in and what goes out.
set -eu
. /usr/lib/hypriotkit/common.sh
. /usr/lib/hypriotkit/private-apt.sh
. /builder/pack-kernel.sh

: "${DEFCONFIG:?}" "${SOURCE_DATE_EPOCH:?}"

list=/inputs/rpi_kernel.resolve/list.tsv
output=$PWD
host=$(dpkg --print-architecture)

say 'Installing the compiler'
# All at once: dpkg unpacks everything and configures it then, in the order that it needs.
# shellcheck disable=SC2046
dpkg --force-unsafe-io --install $(awk -F '\t' -v host="$host" '$3 == host || $3 == "all" { print "/packages/" $4 ".deb" }' "$list") \
	>/tmp/dpkg.log 2>&1 || {
	tail -n 20 /tmp/dpkg.log >&2
	die INSTALL_FAILED 'dpkg cannot install the compiler' 'The log above has the reason.'
}
cut -f 1-4 "$list" >"$output/packages.tsv"

# Always the same path: some of it ends up in the files.
mkdir -p /build/linux /build/tree/boot/overlays /build/tree/lib/modules
say 'Unpacking the source'
tar --no-same-owner -xf /inputs/rpi_kernel.source/source.tar -C /build/linux
cd /build/linux
[ -d arch/arm64 ] && [ -f Makefile ] || die UNEXPECTED_SOURCE 'the kernel repository has no Makefile or no arch/arm64' \
	'Is rpi_kernel.kernel_repo the source of a Linux kernel?'

compiler=aarch64-linux-gnu-gcc
if [ -d /ccache ]; then
	# Decided by the content of the compiler and of the sources, so that what is found is what would be made.
	export CCACHE_DIR=/ccache CCACHE_COMPILERCHECK=content CCACHE_MAXSIZE=5G CCACHE_NOHASHDIR=1
	compiler="ccache $compiler"
fi
export KBUILD_BUILD_TIMESTAMP="@$SOURCE_DATE_EPOCH" KBUILD_BUILD_USER=hypriotkit KBUILD_BUILD_HOST=hypriotkit \
	KBUILD_BUILD_VERSION=1 KCFLAGS="-ffile-prefix-map=/build/linux=." ARCH=arm64 LOCALVERSION=-hypriotos
build() {
	make -s -j"$(nproc)" CROSS_COMPILE=aarch64-linux-gnu- CC="$compiler" "$@"
}

say "Configuring with $DEFCONFIG"
[ -e "arch/arm64/configs/$DEFCONFIG" ] || die CONFIG_NOT_FOUND \
	"the kernel has no arch/arm64/configs/$DEFCONFIG; it has: $(cd arch/arm64/configs && echo *defconfig)" \
	'Set rpi_kernel.defconfig to one of these.'
build "$DEFCONFIG"
if [ -n "${KERNEL_CONFIG:-}" ]; then
	# The last line about an option counts.
	printf '%s\n' "$KERNEL_CONFIG" >>.config
	build olddefconfig
	printf '%s\n' "$KERNEL_CONFIG" | while read -r line; do
		grep -qxF -e "$line" .config && continue
		case $line in '# '*' is not set') option=${line#\# } && option=${option%% *} ;; *) option=${line%%=*} ;; esac
		case $line in
		'# '*) grep -q "^$option=" .config || continue ;;
		*=n) grep -q "^$option=" .config || continue ;;
		esac
		die CONFIG_REFUSED "the kernel does not take \"$line\": $(grep -E "^(# )?$option[ =]" .config || echo "it knows no $option")" \
			'What it depends on may be missing: add that to rpi_kernel.kernel_config, too.'
	done
fi
release=$(build kernelrelease)
say "Compiling $release"
targets='Image dtbs'
! grep -qx CONFIG_MODULES=y .config || targets="$targets modules"
# shellcheck disable=SC2086 # a list
build $targets || die COMPILE_FAILED "the kernel $release does not compile" 'The lines above are from make.'

tree=/build/tree
add_kernel arch/arm64/boot/Image "$tree"
for dtb in arch/arm64/boot/dts/broadcom/bcm2[78]*-rpi-*.dtb; do
	[ ! -e "$dtb" ] || cp "$dtb" "$tree/boot/"
done
for overlay in arch/arm64/boot/dts/overlays/*.dtbo arch/arm64/boot/dts/overlays/README; do
	[ ! -e "$overlay" ] || cp "$overlay" "$tree/boot/overlays/"
done
rmdir "$tree/boot/overlays" 2>/dev/null || :
ls "$tree"/boot/*.dtb >/dev/null 2>&1 || die UNEXPECTED_SOURCE 'the kernel made no device tree of a Raspberry Pi' \
	'CONFIG_ARCH_BCM2835 must be set.'
mkdir -p "$tree/lib/modules/$release"
if grep -qx CONFIG_MODULES=y .config; then
	build modules_install INSTALL_MOD_PATH="$tree" INSTALL_MOD_STRIP=1 DEPMOD=true
	rm -f "$tree/lib/modules/$release/build" "$tree/lib/modules/$release/source"
fi
for index in modules.builtin modules.builtin.modinfo modules.order; do
	[ -e "$tree/lib/modules/$release/$index" ] || : >"$tree/lib/modules/$release/$index"
done
depmod -b "$tree" "$release"
cp .config "$output/$release.config"

say 'Making the initramfs'
mkdir /build/busybox
dpkg-deb -x "$(package_file "$list" busybox-static)" /build/busybox
/builder/initramfs.sh "$tree" "$release" /build/busybox/usr/bin/busybox "$tree/boot/initrd.img" ||
	die CONFIG_REFUSED "the kernel $release cannot reach a root file system" \
		'The line above names what is missing: add it to rpi_kernel.kernel_config.'

cd "$output"
pack_kernel "$tree" "$release"
