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

pack_folder() { # folder, file
	reproducible_tar --owner=0 --group=0 -C "$1" -cf - . | pigz -n -6 -p "$(($(nproc) + 1))" >"$2"
}
