#!/usr/bin/env bash
# Fifty containers at once, made, run and removed by many callers: by the runtime alone and through a real
# containerd. Each is what it was asked to be, and nothing is left of any.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

COUNT=50
WORKERS=8
BUSYBOX=registry.example/busybox:e2e

# Every function below runs in a shell of its own; what it says on failure stands in $W/problems.
for_all() {  # FUNCTION: for the numbers 1 to COUNT, WORKERS at a time
  export -f "${1?}"
  : >"$W/problems"
  seq "$COUNT" | xargs -P "$WORKERS" -I {} bash -c 'set -e; "$0" {} >/dev/null 2>>"$W/problems" </dev/null' "$1" ||
    fail "$1: $(sort "$W/problems" | uniq -c | head -5)"
}

make_one() { runtime create --bundle "$W/bundle" "one-$1" >"$W/one-$1.out" 2>&1 || { cat "$W/one-$1.out" >&2; exit 1; }; }
start_one() { runtime start "one-$1"; }
exec_in_one() { [ "$(runtime exec "one-$1" hostname)" = casemate ]; }
kill_one() { runtime kill "one-$1" KILL; }
# Deleted by two callers at once.
delete_one() {
  runtime delete --force "one-$1" &
  local other=$! failed=0
  runtime delete --force "one-$1" || failed=1
  wait "$other" || failed=1
  return "$failed"
}
run_one() { [ "$(runtime run --bundle "$W/brief" "brief-$1")" = finished ]; }

e2e_begin
write_host_config
export W RUNTIME
bundle_with . sleep 600
busybox_bundle "$W/brief" echo finished
expect_status 0 runtime run --bundle "$W/brief" warm
snapshot "$W/before"

step "$COUNT containers created, started, entered, killed and deleted twice, $WORKERS callers at a time"
for_all make_one
expect_eq "$(runtime list --quiet | wc -l)" "$COUNT" 'how many are listed'
for_all start_one
expect_eq "$(runtime list --format json | jq '[.[] | select(.status == "running")] | length')" "$COUNT" 'how many run'
for_all exec_in_one
for_all kill_one
for_all delete_one
expect_eq "$(runtime list --quiet)" '' 'what is listed at the end'
expect_same "$W/before" 'fifty containers'

step "$COUNT runs of a brief one"
for_all run_one
expect_same "$W/before" 'fifty runs'
if is_casemate; then
  for receipt in "$W"/data/receipts/*; do
    expect_status 0 "$CASECTL" receipt verify --key "$W/data/keys/receipt.pub" "$receipt"
  done
  expect_eq "$(find "$W/data/receipts" -type f | wc -l)" "$((2 * COUNT + 1))" 'one receipt for each'
  expect_status 0 "$CASECTL" audit verify "$W/data/audit/audit.jsonl"
fi

step "$COUNT tasks of containerd's"
runtime_wrapper >/dev/null
start_containerd
export CONTAINERD_SOCKET BUSYBOX
export -f run_ctr
run_ctr image import "$ROOT/build/e2e/busybox/oci.tar" >/dev/null
expect_status 0 run_ctr run --rm --runc-binary "$W/runtime" "$BUSYBOX" warm true
snapshot "$W/before"
start_task() { run_ctr run -d --runc-binary "$W/runtime" "$BUSYBOX" "task-$1" sleep 600; }
end_task() {
  run_ctr task kill --signal SIGKILL "task-$1"
  until run_ctr task ls | grep "^task-$1 " | grep -q STOPPED; do sleep 0.2; done
  run_ctr task delete "task-$1"
  run_ctr container delete "task-$1"
}
for_all start_task
expect_eq "$(run_ctr task ls | grep -c RUNNING)" "$COUNT" 'how many tasks run'
for_all end_task
expect_same "$W/before" 'fifty tasks'
