#!/usr/bin/env bash
# scripts/demo from its first to its last line, as a visitor runs it.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

e2e_begin
require_casemate
# The first run makes what later ones find under build/demo.
DEMO_NO_SETUP=1 E2E_TIMEOUT=120 expect_status 0 "$ROOT/scripts/demo"
# Keys, signatures and evidence of the site are the demo's results, new in each run: not residue.
without_site() { grep -vF "$ROOT/build/demo/" "$1" >"$1.kept" && mv -- "$1.kept" "$1"; }
snapshot "$W/before"
without_site "$W/before"
DEMO_NO_SETUP=1 E2E_TIMEOUT=200 expect_status 0 "$ROOT/scripts/demo"
expect_contains "$OUT" 'final accuracy 0.9' 'the job trained'
expect_contains "$OUT" 'receipt' 'a receipt was made'
expect_eq "$(grep -c '^ *✘' <<<"$OUT")" 5 'refusals shown'
snapshot "$W/after"
without_site "$W/after"
expect_eq "$(diff -U0 "$W/before" "$W/after")" '' 'the demo left nothing'
