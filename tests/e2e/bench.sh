#!/usr/bin/env bash
# scripts/bench works and leaves nothing; its figures are not judged here.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

e2e_begin
if is_casemate; then export RUNTIMES="casemate=$RUNTIME crun=/usr/bin/crun runc=/usr/sbin/runc"
else export RUNTIMES="crun=/usr/bin/crun runc=/usr/sbin/runc"; fi
expect_status 0 "$ROOT/scripts/bench" 2  # leaves what a first run leaves
snapshot "$W/before"
expect_status 0 "$ROOT/scripts/bench" 3
for name in floor crun runc; do [[ $OUT =~ (^|$'\n')$name\ +[0-9.]+ ]] || fail "no line of $name in: $OUT"; done
expect_same "$W/before" 'the bench'
