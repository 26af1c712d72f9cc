#!/usr/bin/env bash
# A real containerd: ordinary containers, and (with casemate) the main job by annotation.
# shellcheck disable=SC2016  # $ belongs to shells inside
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/e2e/job.sh
. "$E2E_DIR/job.sh"

BUSYBOX=registry.example/busybox:e2e
TRAIN=registry.example/acme/train:1

ctr_run() { run_ctr run --snapshotter overlayfs --runc-binary "$W/runtime" "$@"; }

e2e_begin
if is_casemate; then prepare_job; else write_host_config; fi
runtime_wrapper >/dev/null
start_containerd
export CONTAINERD_SOCKET
export -f run_ctr
# What containerd keeps of a namespace after its first container is not the runtime's.
for namespace in default other; do
  run_ctr --namespace "$namespace" image import "$ROOT/build/e2e/busybox/oci.tar" >/dev/null
  expect_status 0 run_ctr --namespace "$namespace" run --rm --runc-binary "$W/runtime" "$BUSYBOX" warm true
done
snapshot "$W/before"

step 'ctr run: output and exit code'
expect_status 0 ctr_run --rm "$BUSYBOX" hello echo hello from the casemate
expect_eq "$OUT" 'hello from the casemate' 'stdout'
expect_status 7 ctr_run --rm "$BUSYBOX" seven sh -c 'exit 7'
expect_same "$W/before" 'ctr run'

step 'ctr run | cat returns'
E2E_TIMEOUT=20 expect_status 0 bash -c "$(declare -f ctr_run); ctr_run --rm $BUSYBOX piped echo piped | cat"
expect_eq "$OUT" piped 'stdout through a pipe'

step 'a program that does not exist: one clear error'
run_status ctr_run --rm "$BUSYBOX" missing /no/such/program
[ "$STATUS" -ne 0 ] || fail 'a missing program was accepted'
expect_contains "$ERR" '/no/such/program' 'the error names the program'
expect_same "$W/before" 'the missing program'

step 'detached task: list, kill, delete; the same id in two namespaces'
expect_status 0 ctr_run -d "$BUSYBOX" twice sleep 600
expect_status 0 run_ctr --namespace other run -d --runc-binary "$W/runtime" "$BUSYBOX" twice sleep 600
expect_contains "$(run_ctr task ls)" RUNNING 'task ls'
for namespace in default other; do
  expect_status 0 run_ctr --namespace "$namespace" task kill --signal SIGKILL twice
  wait_until 10 bash -c "run_ctr --namespace $namespace task ls | grep -q STOPPED" || fail 'kill did not end the task'
  expect_status 0 run_ctr --namespace "$namespace" task delete twice
  expect_status 0 run_ctr --namespace "$namespace" container delete twice
done
expect_same "$W/before" 'detached tasks'

step 'pause, ps and resume of a task; a paused one is killed'
expect_status 0 ctr_run -d "$BUSYBOX" still sleep 600
expect_status 0 run_ctr task pause still
expect_contains "$(run_ctr task ls)" PAUSED 'task ls'
expect_status 0 run_ctr task ps still
expect_eq "$(wc -l <<<"$OUT")" 2 'a heading and one process'
expect_status 0 run_ctr task resume still
expect_contains "$(run_ctr task ls)" RUNNING 'task ls after resume'
expect_status 0 run_ctr task pause still
expect_status 0 run_ctr task kill --signal SIGKILL still
wait_until 10 bash -c "run_ctr task ls | grep -q STOPPED" || fail 'kill did not end the paused task'
expect_status 0 run_ctr task delete still
expect_status 0 run_ctr container delete still
expect_same "$W/before" 'a paused task'

step 'task exec: output, exit code, user, directory, stdin, a terminal'
expect_status 0 ctr_run -d "$BUSYBOX" executing sleep 600
expect_status 0 run_ctr task exec --exec-id one executing echo inside
expect_eq "$OUT" inside 'task exec'
expect_status 9 run_ctr task exec --exec-id two executing sh -c 'exit 9'
expect_status 0 run_ctr task exec --exec-id three --user 1000:1000 --cwd /tmp executing sh -c 'id -u; pwd'
expect_eq "$OUT" $'1000\n/tmp' '--user, --cwd'
expect_eq "$(printf 'to the program' | run_ctr task exec --exec-id four executing cat)" 'to the program' 'stdin'
run_status run_ctr task exec --exec-id five executing no-such-program
[ "$STATUS" -ne 0 ] || fail 'a missing program was accepted'
expect_contains "$ERR" 'executable file not found in $PATH' 'the error names the cause'
OUT=$(printf 'typed\n' | timeout 30 script -qec "ctr --address $CONTAINERD_SOCKET task exec --tty --exec-id six executing sh -c '[ -t 0 ] && read word && echo got \$word'" /dev/null) ||
  fail "task exec --tty: $OUT"
expect_contains "$OUT" 'got typed' 'task exec --tty'
run_ctr task exec --exec-id seven executing sleep 502 >/dev/null 2>&1 </dev/null &
caller=$!
wait_until 10 bash -c "run_ctr task exec --exec-id look-\$RANDOM executing ps | grep -q 'sleep 502'" || fail 'the program does not run'
expect_status 0 run_ctr task kill --signal SIGKILL executing
wait "$caller" || true
wait_until 10 bash -c 'run_ctr task ls | grep -q STOPPED' || fail 'kill did not end the task'
expect_status 0 run_ctr task delete executing
expect_status 0 run_ctr container delete executing
expect_same "$W/before" 'task exec'

if is_casemate; then
  step 'the main job by annotation dev.casemate.job'
  oci_archive "$DEMO_LAYOUT" "$W/train.tar" "$TRAIN" "$DEMO_TAG"
  run_ctr image import "$W/train.tar" >/dev/null
  site_job "$W/job.json" "$W/digits.sealed"
  E2E_TIMEOUT=120 expect_status 0 ctr_run --rm --annotation "dev.casemate.job=$W/job.json" "$TRAIN" job-1
  expect_trained "$OUT"
  expect_same "$W/before" 'the job'
  site_evidence || fail 'receipts or audit log do not verify'

  step 'a forged request is refused with its rule'
  site_job "$W/forged.json" "$W/digits.sealed" . globex
  run_status ctr_run --rm --annotation "dev.casemate.job=$W/forged.json" "$TRAIN" job-2
  [ "$STATUS" -ne 0 ] || fail 'a forged job request was accepted'
  expect_contains "$ERR" 'jws.signature' 'the refusal names its rule'
  expect_same "$W/before" 'the forged request'
fi
