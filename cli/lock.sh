# shellcheck shell=sh
# A lock between processes of one machine, made of a folder because mkdir is atomic everywhere. For sourcing; uses
# `say` and `fail` of the script that sources it.

# take_lock FOLDER REASON: waits until this process holds the lock; says once for whom it waits.
take_lock() {
  lock=$1
  waited=0
  until mkdir "$lock" 2>/dev/null; do
    [ -d "$lock" ] || [ -w "$(dirname "$lock")" ] || fail "cannot write to $(dirname "$lock"), needed for $2"
    owner=$(cat "$lock/owner" 2>/dev/null) || owner=
    if is_stale; then
      break_lock
      continue
    fi
    [ "$waited" -ne 0 ] || say "waiting for another hypriotkit (process ${owner:-unknown}), busy with $2"
    waited=$((waited + 1))
    [ "$waited" -lt 3000 ] || fail "the lock $lock has been held for too long; if no hypriotkit runs: rm -r '$lock'"
    sleep 0.2 2>/dev/null || sleep 1
  done
  trap 'drop_lock' EXIT
  trap 'exit 129' HUP
  trap 'exit 130' INT
  trap 'exit 143' TERM
  printf '%s\n' $$ >"$lock/owner"
}

drop_lock() {
  trap - EXIT HUP INT TERM
  rm -rf "$lock"
}

# Stale: its process is gone. One without an owner is either just being made or its maker died in between.
is_stale() {
  if [ -n "$owner" ]; then
    # ps as well: kill also fails for a living process of another user.
    ! kill -0 "$owner" 2>/dev/null && ! ps -p "$owner" >/dev/null 2>&1
  else
    [ -n "$(find "$lock" -prune -mmin +1 2>/dev/null)" ]
  fi
}

# Only one of several waiters may remove a stale lock: a slower one would remove the fresh lock of the faster.
break_lock() {
  if mkdir "$lock.break" 2>/dev/null; then
    owner=$(cat "$lock/owner" 2>/dev/null) || owner=
    ! is_stale || rm -rf "$lock"
    rmdir "$lock.break"
  else
    find "$lock.break" -prune -mmin +1 -exec rmdir {} + 2>/dev/null || :
    sleep 1
  fi
}
