#!/usr/bin/env bash
# The main job without an engine: `casemate run --job`.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/e2e/job.sh
. "$E2E_DIR/job.sh"

e2e_begin
prepare_job
demo_bundle "$W/bundle"
# The first container makes what stays: state folder, host key, seccomp cache.
busybox_bundle "$W/true" true
expect_status 0 runtime run --bundle "$W/true" warm
count_earlier_receipts
snapshot "$W/before"

step 'the job runs on its dataset; receipt and audit log verify'
site_job "$W/job.json" "$W/digits.sealed"
expect_status 0 runtime run --bundle "$W/bundle" --job "$W/job.json" job-1
expect_trained "$OUT"
expect_same "$W/before" 'the job'
expect_evidence 1

step 'the data is read-only, nosuid, nodev, noexec; what the job itself fails with is passed on'
python_job writer 'import os
print([line for line in open("/proc/self/mountinfo") if " /data " in line][0], flush=True)
os.open("/data/new", os.O_CREAT | os.O_WRONLY)'
run_status runtime run --bundle "$W/writer" --job "$W/writer.job" writer
expect_eq "$STATUS" 1 "exit code of the job's own failure (stderr: $ERR)"
for option in ro nosuid nodev noexec; do expect_contains "$OUT" "$option" '/data mount options'; done
expect_contains "$ERR" 'Read-only file system' 'writing to the dataset'
expect_same "$W/before" 'the failing job'
expect_evidence 2

step 'what the job writes into its own memory is overwritten too'
python_job scratch 'import os
for place in "/dev/shm/a", "/tmp/b", "/var/tmp/c":
    if os.path.isdir(os.path.dirname(place)): open(place, "wb").write(os.urandom(3000000)); print(place, flush=True)'
# A tmpfs that looks like the image's own /tmp, and is overwritten like all others.
edit_config "$W/scratch" '.mounts += [{destination: "/tmp", type: "tmpfs", source: "tmpfs", options: ["tmpcopyup", "size=16m"]}]'
expect_status 0 runtime run --bundle "$W/scratch" --job "$W/scratch.job" scratch
written=$(wc -l <<<"$OUT")
[ "$written" -ge 2 ] || fail "the job found no place to write to: $OUT"
wiped=$("$CASECTL" receipt show --json "$(site_last_receipt)" | jq '[.. | .wiped? // empty | .bytes? // empty][0]')
[ "$wiped" -ge $((written * 3000000)) ] || fail "$written files of 3,000,000 bytes, and $wiped overwritten"
expect_same "$W/before" 'the job that writes'

# start_sleeper NAME: runs a job that sleeps, in the background; its caller's pid in $CALLER.
start_sleeper() {
  local arguments
  python_job "$1" "$SLEEPER"
  mapfile -t arguments < <(runtime_arguments)
  # Not through runtime(): the pid is to be the runtime's, not a shell's around it.
  "$RUNTIME" "${arguments[@]}" run --bundle "$W/$1" --job "$W/$1.job" "$1" >"$W/$1.out" 2>"$W/$1.err" </dev/null &
  CALLER=$!
  wait_until 20 grep -q up "$W/$1.out" || fail "the job did not start: $(cat "$W/$1.err")"
}

# wait_caller: its exit code in $STATUS.
wait_caller() {
  STATUS=0
  wait "$CALLER" || STATUS=$?
}

step 'an exit by signal is passed on, and the receipt is written'
start_sleeper killed
expect_status 1 runtime exec killed python3 -c 'print(open("/data"))'
expect_contains "$ERR" 'denied [exec.allowed]' "another program beside a job's own"
expect_status 0 runtime kill killed KILL
wait_caller
expect_eq "$STATUS" 137 'exit code after SIGKILL'
expect_same "$W/before" 'the killed job'
expect_evidence 4

step 'the caller killed: delete ends the job, wipes it and writes the receipt'
start_sleeper orphan
kill -KILL "$CALLER"
wait_caller
expect_status 0 runtime delete --force orphan
expect_same "$W/before" 'the job without a caller'
expect_evidence 5

step 'a warden killed: the other ends the job and cleans up'
start_sleeper watched
warden=$(pgrep -f '^[^ ]*casemate-warden' | head -1)
[ -n "$warden" ] || fail 'no warden is running'
kill -KILL "$warden"
wait_caller
expect_status 0 runtime delete --force watched
expect_same "$W/before" 'the death of a warden'
expect_evidence 6

step 'warden and twin killed: delete reconciles'
start_sleeper alone
pgrep -f '^[^ ]*casemate-warden' | xargs kill -KILL
expect_status 0 runtime delete --force alone
wait_caller
expect_same "$W/before" 'the death of both wardens'
site_evidence || fail 'receipts or audit log do not verify'
