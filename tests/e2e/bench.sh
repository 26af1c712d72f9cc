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
for name in floor $(sed 's/=[^ ]*//g' <<<"$RUNTIMES"); do
  figures=$(grep -oE "^$name .*" <<<"$OUT" | grep -oE '[0-9]+(\.[0-9]+)?' | wc -l) || true
  if [ "$name" = floor ]; then expected=3; else expected=9; fi
  expect_eq "$figures" "$expected" "figures of $name in: $OUT"
done
expect_same "$W/before" 'the bench'
