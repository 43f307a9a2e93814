#!/bin/sh
# Installs and starts what a machine lacks for hypriotkit: a Docker engine, and mmdebstrap for making the base image
# where no registry can be reached. Says each thing before it does it. Run by the launcher for --setup.
set -eu

# A prefix for the absolute paths below, so that tests can give the script a machine of their own.
sysroot=${HYPRIOTKIT_SYSROOT:-}
# Where systems keep what they do not show to users without privileges.
PATH=$PATH:$sysroot/usr/local/sbin:$sysroot/usr/sbin:$sysroot/sbin
socket=$sysroot/var/run/docker.sock
engine_log=$sysroot/var/log/hypriotkit-dockerd.log
start_seconds=${HYPRIOTKIT_ENGINE_TIMEOUT:-90}
lists_fetched=
engine_pid=

say() { printf 'hypriotkit: %s\n' "$*" >&2; }
fail() { say "$@"; exit 2; }
have() { command -v "$1" >/dev/null 2>&1; }

# as_root COMMAND…: runs it as root, having said so. Its output goes to stderr: stdout belongs to the results.
as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    "$@" >&2
  elif have sudo; then
    sudo "$@" >&2
  else
    fail "this needs root and there is no sudo; run as root: $*"
  fi
}

# announce WHAT COMMAND…
announce() {
  saying=$1
  shift
  if [ "$(id -u)" -eq 0 ]; then say "$saying: $*"; else say "$saying, as root: sudo $*"; fi
}

# 0: an engine answers; 13: there is one, but this user may not speak to it; 1: none.
ping_engine() {
  node -e '
    const request = require("node:http").get({socketPath: process.argv[1], path: "/_ping", timeout: 2000});
    request.on("response", (response) => process.exit(response.statusCode === 200 ? 0 : 1));
    request.on("timeout", () => process.exit(1));
    request.on("error", (error) => process.exit(error.code === "EACCES" ? 13 : 1));
  ' "$socket"
}

# The engine that the user points to, if it is another than that of this system; docker looks in the same order.
other_engine() {
  if [ -n "${DOCKER_HOST:-}" ]; then
    [ "$DOCKER_HOST" = unix:///var/run/docker.sock ] || echo "DOCKER_HOST=$DOCKER_HOST"
  elif [ -n "${DOCKER_CONTEXT:-}" ]; then
    [ "$DOCKER_CONTEXT" = default ] || echo "DOCKER_CONTEXT=$DOCKER_CONTEXT"
  else
    context=$(node -p 'JSON.parse(require("node:fs").readFileSync(process.argv[1], "utf8")).currentContext ?? ""' \
      "${DOCKER_CONFIG:-${HOME:-}/.docker}/config.json" 2>/dev/null) || context=
    case $context in '' | default) ;; *) echo "the Docker context $context" ;; esac
  fi
}

# The package lists: absent in most container images, and useless when older than a day. The change time counts,
# because apt sets the modification time to that of the server's file.
lists_are_fresh() {
  [ -n "$(find "$sysroot/var/lib/apt/lists" -maxdepth 1 -type f -name '*_Packages*' -ctime -1 2>/dev/null | head -n 1)" ]
}

# install WHAT PACKAGE…
install() {
  what=$1
  shift
  if [ -z "$lists_fetched" ] && ! lists_are_fresh; then
    announce 'fetching the package lists' apt-get update
    as_root apt-get -o DPkg::Lock::Timeout=300 update -q || fail 'apt-get update failed'
    lists_fetched=yes
  fi
  announce "installing $what" apt-get install -y --no-install-recommends "$@"
  as_root env DEBIAN_FRONTEND=noninteractive \
    apt-get -o DPkg::Lock::Timeout=300 install -q -y --no-install-recommends "$@" || fail "$what could not be installed"
}

no_access() {
  fail "a Docker engine runs, but $(id -un) may not use it; run: sudo usermod -aG docker $(id -un)" \
    '(whoever is in that group can become root), then log in again'
}

# Whether an engine is just starting, for instance by the package that was installed. Its process is looked at, because
# the pid file outlives a crash and its number may belong to another program by now.
is_starting() {
  pid=$(cat "$sysroot/var/run/docker.pid" 2>/dev/null) && [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = dockerd ]
}

# Leaves the process of an engine that it started itself in `engine_pid`, where that can be known.
start_engine() {
  if [ -d "$sysroot/run/systemd/system" ]; then
    announce 'starting the Docker engine' systemctl start docker
    as_root systemctl start docker || fail 'the Docker engine did not start; see: journalctl -u docker'
    return
  fi
  have dockerd || fail 'dockerd was not found in the PATH'
  # Away from the terminal, so that neither Ctrl-C nor closing it ends the engine.
  detach='nohup'
  ! have setsid || detach='setsid'
  announce "starting the Docker engine (its log: $engine_log)" dockerd
  if [ "$(id -u)" -eq 0 ]; then
    "$detach" dockerd </dev/null >>"$engine_log" 2>&1 &
    engine_pid=$!
  else
    # shellcheck disable=SC2016 # expanded by the inner shell
    as_root sh -c '"$1" dockerd </dev/null >>"$2" 2>&1 &' sh "$detach" "$engine_log"
  fi
}

wait_for_engine() {
  waited=0
  while :; do
    status=0
    ping_engine || status=$?
    [ "$status" -ne 13 ] || no_access
    [ "$status" -ne 0 ] || return 0
    if [ -n "$engine_pid" ] && ! kill -0 "$engine_pid" 2>/dev/null; then
      show_log 'the Docker engine ended at once'
    fi
    [ "$waited" -lt "$start_seconds" ] || show_log "the Docker engine does not answer after $start_seconds seconds"
    waited=$((waited + 1))
    sleep 1
  done
}

show_log() {
  if [ -r "$engine_log" ]; then
    say "$1; the last lines of $engine_log:"
    tail -n 15 "$engine_log" | sed 's/^/    /' >&2
    exit 2
  fi
  fail "$1; see: journalctl -u docker"
}

set_up_tools() {
  ! have mmdebstrap || [ ! -e "$sysroot/usr/share/keyrings/debian-archive-keyring.gpg" ] || return 0
  if have apt-get; then
    install 'mmdebstrap (makes the base image where no registry is reachable)' mmdebstrap debian-archive-keyring
  else
    say 'no apt-get here: where no registry is reachable, install mmdebstrap and the Debian archive keyring by hand'
  fi
}

set_up_engine() {
  other=$(other_engine)
  if [ -n "$other" ]; then
    say "nothing is installed or started for the engine: $other points to another one"
    return
  fi
  status=0
  ping_engine || status=$?
  [ "$status" -ne 13 ] || no_access
  [ "$status" -ne 0 ] || return 0
  if ! have dockerd; then
    have apt-get || fail 'no apt-get here: install a Docker engine (20.10 or newer) by hand, start it, and run this again'
    set -- docker.io
    # docker.io only recommends them; without them no registry can be trusted.
    [ -e "$sysroot/etc/ssl/certs/ca-certificates.crt" ] || set -- "$@" ca-certificates
    install 'the Docker engine' "$@"
    # The package starts it itself where it can.
    ! ping_engine || return 0
  fi
  if is_starting; then say "waiting for the Docker engine that is starting (process $pid)"; else start_engine; fi
  wait_for_engine
  say 'the Docker engine is running'
}

# shellcheck source=cli/lock.sh
. "$(dirname "$0")/lock.sh"
take_lock "${TMPDIR:-/tmp}/hypriotkit-setup-$(id -u).lock" 'setting this machine up'
set_up_engine
set_up_tools
drop_lock
