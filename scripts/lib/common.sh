# shellcheck shell=bash
# Paths and small helpers that every script shares. Sourced, never run.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
BUILD=${CASEMATE_BUILD:-$ROOT/build/release}
BIN=$BUILD/bin
DEMO_DIR=$ROOT/build/demo
# Everything that goes into an image carries this time, so that equal inputs give equal digests.
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-1735689600}
export LC_ALL=C.UTF-8

die() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}

require_root() {
  [ "$(id -u)" -eq 0 ] || die "must run as root: it makes namespaces, mounts and cgroups"
}

# file_sha256 FILE: the bare hex digest.
file_sha256() {
  sha256sum -- "$1" | cut -d ' ' -f 1
}

# inputs_digest ARG…: one digest over files (their bytes) and other words (as they are).
inputs_digest() {
  local item
  for item in "$@"; do
    if [ -f "$item" ]; then sha256sum <"$item"; else printf '%s\n' "$item"; fi
  done | sha256sum | cut -d ' ' -f 1
}
