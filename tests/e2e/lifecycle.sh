#!/usr/bin/env bash
# The OCI life cycle as an engine's shim drives it, one command at a time.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

has_status() { [ "$(status_of "$1")" = "$2" ]; }

# create keeps the standard streams for the job, so they must not be our pipes.
create() {  # ID [ARGUMENT…]
  local id=$1
  shift
  runtime create --bundle "$W/bundle" "$@" "$id" >"$W/$id.out" 2>"$W/$id.err" </dev/null ||
    fail "create $id: $(cat "$W/$id.err")"
}

e2e_begin
write_host_config
busybox_bundle "$W/bundle" sh -c 'echo up; exec sleep 600'
# The first container makes what stays: the state folder, keys, the seccomp cache.
busybox_bundle "$W/true" true
expect_status 0 runtime run --bundle "$W/true" warm
snapshot "$W/before"

step 'create, state, start, kill, delete'
create one --pid-file "$W/one.pid"
expect_eq "$(status_of one)" created 'after create'
pid=$(cat "$W/one.pid")
expect_eq "$(runtime state one | jq -er .pid)" "$pid" 'the pid of state and pid file'
expect_eq "$(runtime state one | jq -er .bundle)" "$W/bundle" 'the bundle of state'
expect_eq "$(cat "$W/one.out")" '' 'no output before start'
expect_status 0 runtime start one
wait_until 5 grep -q up "$W/one.out" || fail 'the job did not run after start'
expect_eq "$(status_of one)" running 'after start'
expect_eq "$(readlink "/proc/$pid/exe")" /bin/busybox 'the pid is the job itself'
expect_contains "$(runtime list)" one 'list'
run_status runtime start one
[ "$STATUS" -ne 0 ] || fail 'a second start was accepted'
run_status runtime delete one
[ "$STATUS" -ne 0 ] || fail 'a running container was deleted without --force'
expect_eq "$(status_of one)" running 'after the refused commands'
expect_status 0 runtime kill one TERM  # pid 1 without a handler ignores it
expect_status 0 runtime kill one 9
wait_until 5 has_status one stopped || fail 'kill did not stop it'
run_status runtime kill one 9
[ "$STATUS" -ne 0 ] || fail 'a stopped container took a signal'
expect_status 0 runtime delete one
run_status runtime state one
[ "$STATUS" -ne 0 ] || fail 'a deleted container has a state'
expect_same "$W/before" 'the life cycle'

step 'delete --force: running, then twice on what is gone'
create two
expect_status 0 runtime start two
expect_status 0 runtime delete --force two
expect_status 0 runtime delete --force two
expect_status 0 runtime delete --force never-was
create three
expect_status 0 runtime delete --force three
expect_same "$W/before" 'delete --force'

step 'an id is taken once'
create four
run_status runtime create --bundle "$W/bundle" four
[ "$STATUS" -ne 0 ] || fail 'an id was given twice'
expect_eq "$(status_of four)" created 'the first container after the second create'
expect_status 0 runtime delete --force four
run_status runtime create --bundle "$W/bundle" ../escape
[ "$STATUS" -ne 0 ] || fail 'an id with slashes was accepted'
expect_same "$W/before" 'ids'

step 'the log that containerd reads: the last line is the error, in JSON'
rm -f "$W/log.json"
run_status runtime --log "$W/log.json" --log-format json create --bundle "$W/no-such-bundle" five
[ "$STATUS" -ne 0 ] || fail 'a missing bundle was accepted'
expect_eq "$(tail -1 "$W/log.json" | jq -er .level)" error 'level of the last log line'
[ -n "$(tail -1 "$W/log.json" | jq -er .msg)" ] || fail 'no message in the log'
expect_same "$W/before" 'the failed create'

step 'run: exit codes, stdin, working directory, limits'
expect_status 0 runtime run --bundle "$W/true" six
busybox_bundle "$W/seven" sh -c 'cat; exit 7'
STATUS=0
OUT=$(printf 'to the job' | runtime run --bundle "$W/seven" seven) || STATUS=$?
expect_eq "$STATUS $OUT" '7 to the job' 'exit code and stdin'
expect_same "$W/before" 'run'

if is_casemate; then
  step 'create killed at any moment leaves nothing that delete --force does not remove'
  mapfile -t arguments < <(runtime_arguments)
  for delay in 0 1 2 3 4 5 6 8 10 12 15 20 30; do
    # Not through runtime(): the pid is to be the runtime's, not a shell's around it.
    "$RUNTIME" "${arguments[@]}" create --bundle "$W/bundle" cut >/dev/null 2>&1 </dev/null &
    victim=$!
    sleep "0.$(printf '%03d' "$delay")"
    kill -KILL "$victim" 2>/dev/null || true
    wait "$victim" 2>/dev/null || true
    expect_status 0 runtime delete --force cut
    expect_same "$W/before" "create killed after $delay ms"
  done
fi
