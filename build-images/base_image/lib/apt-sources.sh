# The package archives that configs.json adds, and the keys that sign archives. Meant to be sourced.
#
# APT_SOURCES has a line for each archive: name, address, suite, components and the digest of its key,
# separated by tabs. The keys lie in the work folder: .files/keys/NAME, and .files/keyring for the mirror.

given_files=/workspace/.files

# apt tells armored from binary keys by the end of the name.
key_suffix() {
	if grep -qa -e '-----BEGIN PGP' "$1"; then echo asc; else echo gpg; fi
}

# install_archive_keys ROOT puts the keys where write_archive_sources and target_sources name them:
# into etc/apt/keyrings of ROOT ("" for this container).
install_archive_keys() {
	[ -e "$given_files/keyring" ] || [ -n "${APT_SOURCES:-}" ] || return 0
	mkdir -p "$1/etc/apt/keyrings"
	for key in "$given_files/keyring" "$given_files"/keys/*; do
		[ -f "$key" ] || continue
		name=${key##*/}
		[ "$name" != keyring ] || name=hypriotkit-mirror
		cp "$key" "$1/etc/apt/keyrings/$name.$(key_suffix "$key")"
		chmod 0644 "$1/etc/apt/keyrings/$name".*
	done
}

# Prints the option for the mirror's line in a sources.list, with a space behind it.
mirror_option() {
	[ ! -e "$given_files/keyring" ] ||
		printf '[signed-by=/etc/apt/keyrings/hypriotkit-mirror.%s] ' "$(key_suffix "$given_files/keyring")"
}

# write_archive_sources FOLDER writes NAME.sources for each archive.
write_archive_sources() {
	[ -n "${APT_SOURCES:-}" ] || return 0
	mkdir -p "$1"
	tab=$(printf '\t')
	printf '%s\n' "$APT_SOURCES" | while IFS= read -r line; do
		# cut and not read: two tabs with nothing between them are an empty field.
		name=${line%%"$tab"*}
		{
			printf 'Types: deb\nURIs: %s\nSuites: %s\n' "$(printf '%s' "$line" | cut -f 2)" "$(printf '%s' "$line" | cut -f 3)"
			components=$(printf '%s' "$line" | cut -f 4)
			[ -z "$components" ] || printf 'Components: %s\n' "$components"
			printf 'Signed-By: /etc/apt/keyrings/%s.%s\n' "$name" "$(key_suffix "$given_files/keys/$name")"
		} >"$1/$name.sources"
		chmod 0644 "$1/$name.sources"
	done
}
