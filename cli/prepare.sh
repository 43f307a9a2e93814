# shellcheck shell=sh
# Brings node_modules/ and dist/ of a checkout up to date. For sourcing by the launcher, which sets `root`.
# Both carry a stamp with the checksum of what they were made from. Contents count and not times: a fresh clone, a
# changed branch or a copied folder have times that say nothing. cksum is fast, and POSIX has it everywhere; against
# accidents its 32 bits for each file are enough.
: "${root:?}"

checksum() { cksum <"$1"; }

# The sources and what decides how they are compiled. Run from the root, because the names count too.
sources_checksum() {
  (cd "$root" && {
    find cli api configs volumes -name '*.ts' -type f -exec cksum {} +
    cksum tsconfig.json tsconfig.build.json package.json
  } | LC_ALL=C sort | cksum)
}

stamp_of() { cat "$1" 2>/dev/null || :; }

is_installed() {
  [ "$(stamp_of "$root/node_modules/.hypriotkit-stamp")" = "$(checksum "$root/package-lock.json")" ]
}

is_compiled() {
  [ -f "$root/dist/cli/main.js" ] && [ "$(stamp_of "$root/dist/.hypriotkit-stamp")" = "$(sources_checksum)" ]
}

install_packages() {
  say 'installing npm packages: npm ci --ignore-scripts'
  # Development packages too, whatever NODE_ENV says: the compiler is one.
  (cd "$root" && npm ci --ignore-scripts --include=dev --loglevel=error >/dev/null) || fail 'npm ci failed'
  # Last: an installation that was killed has no stamp and is made again.
  checksum "$root/package-lock.json" >"$root/node_modules/.hypriotkit-stamp"
}

# Into a folder beside the real one and renamed when complete, so that no run ever loads half of a version.
compile() {
  say 'compiling: npm run build'
  fresh=$root/.launcher/dist
  rm -rf "$fresh"
  # Taken before: a file that changes while the compiler runs makes the next start compile again.
  stamp=$(sources_checksum)
  (cd "$root" && npm run -s build -- --outDir "$fresh" >&2) || fail 'the sources do not compile'
  printf '%s\n' "$stamp" >"$fresh/.hypriotkit-stamp"
  rm -rf "$root/.launcher/old"
  [ ! -e "$root/dist" ] || mv "$root/dist" "$root/.launcher/old"
  mv "$fresh" "$root/dist"
  rm -rf "$root/.launcher/old"
}

if ! is_installed || ! is_compiled; then
  command -v npm >/dev/null 2>&1 || fail 'npm is needed and was not found; on Debian and Ubuntu: apt-get install -y npm'
  # shellcheck source=cli/lock.sh
  . "$root/cli/lock.sh"
  mkdir -p "$root/.launcher" || fail "cannot write to $root, where npm packages and dist/ belong"
  printf '*\n' >"$root/.launcher/.gitignore"
  take_lock "$root/.launcher/lock" 'installing and compiling'
  # Asked again: another launcher may have done it meanwhile.
  is_installed || install_packages
  is_compiled || compile
  drop_lock
fi
