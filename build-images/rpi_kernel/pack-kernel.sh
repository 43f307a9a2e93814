# pack_kernel TREE RELEASE packs TREE, which has boot/ and lib/modules/RELEASE, into the files that
# rpi_kernel makes, in the present folder. Meant to be sourced after common.sh.
pack_kernel() {
	say "Packing $2.tar.gz"
	find "$1" -type d -exec chmod 0755 {} + -o -type f -exec chmod 0644 {} +
	# Entries are named ./boot/... as Hypriot's are.
	pack_folder "$1" "$2.tar.gz"
	pack_folder "$1/boot" bootfiles.tar.gz
	write_sha256 "$2.tar.gz" bootfiles.tar.gz
}

# add_kernel IMAGE TREE puts an arm64 kernel into TREE/boot, compressed: such a kernel does not unpack itself,
# but the firmware of the Raspberry Pi has done it since September 2020. A card has 22 MiB less to read at every
# boot then, and whoever writes it as many less to write.
add_kernel() {
	pigz -n -9 -p "$(($(nproc) + 1))" <"$1" >"$2/boot/kernel8.img"
}

pack_folder() { # folder, file
	reproducible_tar --owner=0 --group=0 -C "$1" -cf - . | pigz -n -6 -p "$(($(nproc) + 1))" >"$2"
}
