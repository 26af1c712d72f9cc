# shellcheck shell=bash
# What the end-to-end tests share. Sourcing it moves the test into namespaces of its own (pid,
# mount, network, ipc), so that
#  - a snapshot of "the whole system" holds what the runtime did and nothing else: whatever it
#    starts or mounts stays visible here, and nothing of the machine's other work is;
#  - daemons keep to their own sockets and folders, and none survives the test.
# RUNTIME names the runtime under test; runc or crun may stand in to try the tests themselves.
set -euo pipefail
E2E_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/lib/common.sh
. "$E2E_DIR/../../scripts/lib/common.sh"
# shellcheck source=scripts/lib/oci-image.sh
. "$ROOT/scripts/lib/oci-image.sh"
# shellcheck source=scripts/lib/bundle.sh
. "$ROOT/scripts/lib/bundle.sh"
# shellcheck source=scripts/lib/demo-image.sh
. "$ROOT/scripts/lib/demo-image.sh"
# shellcheck source=scripts/lib/site.sh
. "$ROOT/scripts/lib/site.sh"
# shellcheck source=tests/e2e/engines.sh
. "$E2E_DIR/engines.sh"
# shellcheck source=tests/e2e/snapshot.sh
. "$E2E_DIR/snapshot.sh"

RUNTIME=$(command -v "${RUNTIME:-$BIN/casemate}") || die "no runtime at ${RUNTIME:-$BIN/casemate}"
CASECTL=$BIN/casectl
# script(1) runs its commands by $SHELL; ours are exported functions, which only bash knows.
SHELL=/bin/bash
export RUNTIME SHELL

if [ "${CASEMATE_E2E_INSIDE:-}" != 1 ]; then
  require_root
  export CASEMATE_E2E_INSIDE=1
  # A process killed here takes everything in its pid namespace with it.
  exec unshare --mount --pid --net --ipc --fork --kill-child=KILL --mount-proc --propagation slave \
    "$0" "$@"
fi

E2E_TEST=$(basename "$0" .sh)
# Short, since unix socket paths hold 107 bytes; on disk, since overlay needs xattrs.
W=$(mktemp -d /var/tmp/e2e.XXXXXX)
export W
E2E_DAEMONS=()

e2e_cleanup() {
  local status=$? index
  trap - EXIT
  for ((index = ${#E2E_DAEMONS[@]} - 1; index >= 0; index--)); do stop_pid "${E2E_DAEMONS[index]}"; done
  end_leftovers
  remove_engine_cgroups
  if [ "$status" -ne 0 ] && [ -n "${CASEMATE_E2E_KEEP:-}" ]; then
    printf 'kept: %s\n' "$W" >&2
  else
    awk -v w="$W" 'index($5, w) == 1 {print $5}' /proc/self/mountinfo | sort -r |
      while IFS= read -r mount; do umount -l -- "$mount" || true; done
    rm -rf -- "$W"
  fi
  [ "$status" -ne 0 ] || printf 'PASS %s\n' "$E2E_TEST"
  exit "$status"
}

# After a failure containers may still run. Only inside our own pid namespace, where we are 1.
end_leftovers() {
  local folder pid
  [ "$$" -eq 1 ] || return 0
  for folder in /proc/[0-9]*; do
    pid=${folder#/proc/}
    if [ "$pid" -ne 1 ] && [ "$pid" -ne "$BASHPID" ]; then kill -KILL "$pid" 2>/dev/null || true; fi
  done
}

e2e_begin() {
  local folder
  trap e2e_cleanup EXIT
  # A command that fails without `fail` ends the test (errexit): say which.
  trap 'printf "FAIL %s: line %s: %s\n" "$E2E_TEST" "$LINENO" "$BASH_COMMAND" >&2' ERR
  ip link set lo up
  # The machine's own daemons and state are not ours to see or to touch.
  for folder in /run /dev/shm /tmp /var/lib/casemate; do
    case $ROOT/ in "$folder"/*) continue ;; esac  # unless this checkout lies there
    [ ! -d "$folder" ] || mount -t tmpfs -o mode=1777 e2e "$folder"
  done
  all_cgroups >"$W/cgroups.begin"
  mkdir -p "$W"/{root,state,data}
}

# --- results ---------------------------------------------------------------------------------

step() { printf -- '--- %s\n' "$*"; }

fail() {
  printf 'FAIL %s: %s\n' "$E2E_TEST" "$*" >&2
  exit 1
}

expect_eq() {  # ACTUAL EXPECTED WHAT
  [ "$1" = "$2" ] || fail "$3: expected '$2', got '$1'"
}

expect_contains() {  # TEXT PART WHAT
  [[ $1 == *"$2"* ]] || fail "$3: expected '$2' in: $1"
}

# run_status COMMAND…: runs it, its output in $OUT and $ERR, its exit code in $STATUS.
run_status() {
  STATUS=0
  if declare -F "$1" >/dev/null; then  # timeout runs programs only
    export -f "${1?}"
    set -- bash -c '"$@"' bash "$@"
  fi
  timeout --kill-after=5 "${E2E_TIMEOUT:-60}" "$@" >"$W/out" 2>"$W/err" </dev/null || STATUS=$?
  OUT=$(cat "$W/out")
  ERR=$(cat "$W/err")
}

expect_status() {  # EXPECTED COMMAND…
  local expected=$1
  shift
  run_status "$@"
  [ "$STATUS" -eq "$expected" ] ||
    fail "exit code $STATUS instead of $expected: $* (stdout: $OUT) (stderr: $ERR)"
}

# wait_until SECONDS COMMAND…: polls until the command succeeds.
wait_until() {
  local deadline=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    [ "$SECONDS" -lt "$deadline" ] || return 1
    sleep 0.05
  done
}

# --- bundles ---------------------------------------------------------------------------------

edit_config() {  # BUNDLE JQ_ARGUMENT…
  local bundle=$1
  shift
  jq "$@" "$bundle/config.json" >"$bundle/config.new"
  mv -- "$bundle/config.new" "$bundle/config.json"
}

# bundle_with JQ_FILTER COMMAND…: a new $W/bundle whose config.json was changed by the filter.
bundle_with() {
  local filter=$1
  shift
  rm -rf -- "$W/bundle"
  busybox_bundle "$W/bundle" "$@"
  edit_config "$W/bundle" "$filter"
}

# --- the runtime under test ------------------------------------------------------------------

is_casemate() { [ "$(basename "$RUNTIME")" = casemate ]; }

status_of() { runtime state "$1" | jq -er .status; }
require_casemate() {
  is_casemate || fail "this test is about casemate's own features; RUNTIME is $RUNTIME"
}

# The arguments that every direct call carries: its own state, never the machine's.
runtime_arguments() {
  if is_casemate; then printf '%s\n' --config "$W/casemate.json"; fi
  printf '%s\n' --root "$W/root"
}

runtime() {
  local arguments
  mapfile -t arguments < <(runtime_arguments)
  "$RUNTIME" "${arguments[@]}" "$@"
}
export -f runtime runtime_arguments is_casemate

# write_host_config [JQ_FILTER]: keys of a small site, and the host's configuration at
# $W/casemate.json. A stand-in has none.
write_host_config() {
  is_casemate || return 0
  SITE=$W
  site_keys
  site_config "${1:-.}"
}

# The same through a program of its own, for callers that can name a program but no arguments.
runtime_wrapper() {
  local options=''
  if is_casemate; then options="--config $W/casemate.json"; fi
  printf '#!/bin/sh\nexec %s %s "$@"\n' "$RUNTIME" "$options" >"$W/runtime"
  chmod 0755 "$W/runtime"
  printf '%s' "$W/runtime"
}
