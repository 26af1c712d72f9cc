#!/usr/bin/env bash
# systemd as the manager of control groups (--systemd-cgroup), as Docker and podman use it on a stock
# Debian: pid 1 is systemd, the cgroups are v2. Limits and device rules hold in both its eyes and the
# kernel's, and nothing of a unit stays.
# kernel: casemate.init=systemd
# Without a pid namespace of its own: systemctl asks for pid 1 by its pid.
if [ "${CASEMATE_E2E_INSIDE:-}" != 1 ]; then
  mkdir -p /mnt/run
  mount --rbind /run /mnt/run
  CASEMATE_E2E_INSIDE=1 exec unshare --mount --net --ipc --propagation slave "$0" "$@"
fi
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/../e2e/lib.sh"
# shellcheck source=tests/e2e/job.sh
. "$E2E_DIR/job.sh"

export E2E_TIMEOUT=400  # emulated processors
CGROUPS=/sys/fs/cgroup
UNIT=docker-limited.scope
GROUP=$CGROUPS/system.slice/$UNIT
LIMITED='.linux.cgroupsPath = "system.slice:docker:limited" | .linux.resources += {
  memory: {limit: 67108864, swap: 67108864, reservation: 33554432}, pids: {limit: 16},
  cpu: {quota: 50000, period: 100000, shares: 1024, cpus: "0"}}'

# The engine's arguments.
systemd_runtime() {
  local arguments
  mapfile -t arguments < <(runtime_arguments)
  "$RUNTIME" "${arguments[@]}" --systemd-cgroup "$@"
}
export -f systemd_runtime

status_of() { systemd_runtime state "$1" | jq -er .status; }
has_status() { [ "$(status_of "$1")" = "$2" ]; }
# start_one ID: creates and starts $W/bundle, whose output goes to $W/ID.out, and waits for its "up".
start_one() {
  systemd_runtime create --bundle "$W/bundle" "$1" >"$W/$1.out" 2>&1 </dev/null || fail "create $1: $(cat "$W/$1.out")"
  expect_status 0 systemd_runtime start "$1"
  wait_until 30 grep -q up "$W/$1.out" || fail "$1 did not start: $(cat "$W/$1.out")"
}
property() { systemctl show "${2:-$UNIT}" --property "$1" --value; }
in_cgroup() { cat "$GROUP/$1"; }
programs() { bpftool -j cgroup show "$GROUP" | jq -r '.[] | select(.attach_type == "cgroup_device" or .attach_type == "device") | .id' | wc -l; }

# What there is of containers in systemd's eyes, in the kernel's, and of ours.
what_is_there() {
  all_cgroups | grep -v '/casemate-wardens$' || true
  systemctl list-units --all --no-legend --plain --type=scope,slice | awk '{print "unit", $1, $3, $4}'
  { find /run/systemd/transient -mindepth 1 -printf 'file %p\n' 2>/dev/null || true; } | sort
  pgrep -a casemate || true
}
is_as_before() { what_is_there >"$W/now" && cmp -s "$W/before" "$W/now"; }
expect_nothing_left() {
  wait_until 20 is_as_before && return
  diff "$W/before" "$W/now" >&2 || true
  fail "$1 left something behind (< before, > now)"
}
end_one() {
  expect_status 0 systemd_runtime delete --force "$1"
  expect_nothing_left "$2"
}
refused() {  # STATUS RULE WHAT
  run_status systemd_runtime run --bundle "$W/bundle" refused
  expect_eq "$STATUS" "$1" "exit code ($3; stderr: $ERR)"
  expect_contains "$ERR" "[$2]" "$3"
  expect_nothing_left "$3"
}

e2e_begin
for folder in systemd dbus; do
  mkdir -p "/run/$folder"
  mount --rbind "/mnt/run/$folder" "/run/$folder"
done
prepare_job
demo_bundle "$W/job"
systemctl start site-gpu.slice  # an engine's own, which it keeps
what_is_there >"$W/before"

step 'pid 1 is systemd and has the cgroups for itself'
expect_eq "$(cat /proc/1/comm)" systemd 'pid 1'
expect_eq "$(stat -f -c %T "$CGROUPS")" cgroup2fs 'file system'

step 'run: the job is in its scope, and its exit code comes back'
bundle_with '.linux.cgroupsPath = "system.slice:docker:first"' sh -c 'cat /proc/self/cgroup; exit 7'
expect_status 7 systemd_runtime run --bundle "$W/bundle" first
expect_eq "$OUT" '0::/system.slice/docker-first.scope' 'its control group'
expect_nothing_left 'the first container'

step 'without a path of its own it is named by root and id; a nested slice is where its dashes say'
bundle_with . cat /proc/self/cgroup
expect_status 0 systemd_runtime run --bundle "$W/bundle" unnamed
[[ $OUT =~ ^0::/system\.slice/casemate-[0-9a-f]{32}\.scope$ ]] || fail "the unnamed container is in $OUT"
bundle_with '.linux.cgroupsPath = "site-gpu.slice:docker:nested"' cat /proc/self/cgroup
expect_status 0 systemd_runtime run --bundle "$W/bundle" nested
expect_eq "$OUT" '0::/site.slice/site-gpu.slice/docker-nested.scope' 'a nested slice'
expect_nothing_left 'the slices'

step 'limits stand in systemd and in the kernel'
bundle_with "$LIMITED" sh -c 'trap "exit 3" TERM; cat /sys/fs/cgroup/memory.max; echo up; while :; do sleep 1; done'
mknod -m 666 "$W/bundle/rootfs/data/serial" c 4 64
start_one limited
pid=$(systemd_runtime state limited | jq -r .pid)
# The job's shell and the one that sleeps for it.
expect_contains "$(in_cgroup cgroup.procs)" "$pid" 'who is in it'
expect_eq "$(in_cgroup memory.max) $(in_cgroup memory.swap.max) $(in_cgroup memory.low)" '67108864 0 33554432' memory
expect_eq "$(in_cgroup pids.max) $(in_cgroup cpu.weight) $(in_cgroup cpuset.cpus)" '16 39 0' 'pids and processors'
expect_eq "$(in_cgroup cpu.max)" '50000 100000' cpu.max
expect_eq "$(property ControlGroup)" "/system.slice/$UNIT" ControlGroup
expect_contains "$(property Description)" 'casemate container limited ' Description
expect_eq "$(property Delegate) $(property DefaultDependencies) $(property CollectMode)" \
  'yes no inactive-or-failed' 'what kind of unit it is'
expect_eq "$(property MemoryMax) $(property MemorySwapMax) $(property MemoryLow)" '67108864 0 33554432' 'memory of the unit'
expect_eq "$(property TasksMax) $(property CPUWeight) $(property AllowedCPUs)" '16 39 0' 'pids and processors of the unit'
expect_eq "$(property CPUQuotaPerSecUSec) $(property CPUQuotaPeriodUSec)" '500ms 100ms' 'quota of the unit'
expect_eq "$(property DevicePolicy)" strict DevicePolicy
expect_contains "$(property DeviceAllow)" '/dev/char/1:3 rwm' DeviceAllow
expect_eq "$(head -1 "$W/limited.out")" 67108864 'what the container sees of its own cgroup'

step 'exec joins it; devices that no rule allows stay shut'
expect_status 0 systemd_runtime exec limited cat /proc/self/cgroup
expect_eq "$OUT" "0::/system.slice/$UNIT" 'the control group of exec'
closed() {
  run_status systemd_runtime exec limited cat /data/serial
  expect_contains "$ERR" "can't open '/data/serial': Operation not permitted" "$1"
  expect_status 0 systemd_runtime exec limited sh -c 'echo x >/dev/null && head -c 1 /dev/zero | wc -c'
  expect_eq "$OUT" 1 "the default devices, $1"
}
closed 'after create'
expect_eq "$(programs)" 2 "programs on the group: systemd's and ours"

step 'systemctl daemon-reload changes nothing'
systemctl daemon-reload
closed 'after daemon-reload'
expect_eq "$(in_cgroup memory.max) $(in_cgroup memory.swap.max) $(in_cgroup pids.max)" '67108864 0 16' 'limits after daemon-reload'
expect_eq "$(in_cgroup cpu.max) $(in_cgroup cpu.weight)" '50000 100000 39' 'cpu after daemon-reload'
expect_eq "$(property DevicePolicy) $(property MemoryMax)" 'strict 67108864' 'the unit after daemon-reload'

step 'update: systemd is told too, and what it rounds stays exact in the kernel'
expect_status 0 systemd_runtime update --memory 50331648 --memory-swap 50331648 --pids-limit 20 limited
expect_eq "$(in_cgroup memory.max) $(in_cgroup memory.swap.max) $(in_cgroup pids.max)" '50331648 0 20' 'updated limits'
expect_eq "$(property MemoryMax) $(property MemorySwapMax) $(property TasksMax)" '50331648 0 20' 'updated unit'
expect_status 0 systemd_runtime update --cpu-quota 33333 --cpu-period 100000 limited
expect_eq "$(in_cgroup cpu.max)" '33333 100000' 'an uneven quota'
expect_eq "$(property CPUQuotaPerSecUSec)" 340ms 'an uneven quota in systemd'
expect_eq "$(in_cgroup memory.low) $(in_cgroup cpu.weight)" '33554432 39' 'what was not asked for'
systemctl daemon-reload
expect_eq "$(in_cgroup memory.max) $(in_cgroup pids.max)" '50331648 20' 'updated limits after daemon-reload'
closed 'after update and daemon-reload'
run_status systemd_runtime update --memory 1073741824 --memory-swap 536870912 limited
[ "$STATUS" -ne 0 ] || fail 'a sum of memory and swap below the memory was taken'
expect_eq "$(in_cgroup memory.max) $(property MemoryMax)" '50331648 50331648' 'limits after a refused update'

step 'pause, events, resume'
expect_status 0 systemd_runtime pause limited
expect_eq "$(status_of limited) $(awk '$1 == "frozen" {print $2}' "$GROUP/cgroup.events")" 'paused 1' 'paused'
expect_status 0 systemd_runtime events --stats limited
expect_eq "$(jq -r .data.memory.usage.limit <<<"$OUT")" 50331648 'the limit in the figures'
expect_status 0 systemd_runtime resume limited
expect_eq "$(status_of limited)" running 'resumed'

step 'two containers of one unit: the second is refused, and the first is none the worse'
run_status systemd_runtime run --bundle "$W/bundle" second
expect_contains "$ERR" '[cgroup.busy]' 'the second of one name'
expect_eq "$(status_of limited) $(property ActiveState)" 'running active' 'the first'

step 'systemctl stop of the scope: the job is told and ends, and the rest goes'
systemctl stop "$UNIT"
wait_until 30 has_status limited stopped || fail "the container is $(status_of limited)"
end_one limited 'the stopped scope'

step 'delete of a container that ended takes no unit that has its name since'
bundle_with '.linux.cgroupsPath = "system.slice:docker:name"' sh -c 'echo up; exec sleep 600'
start_one old
expect_status 0 systemd_runtime kill old KILL
wait_until 30 eval '[ ! -e "$CGROUPS/system.slice/docker-name.scope" ]' || fail 'the old scope stays'
start_one new
expect_status 0 systemd_runtime delete old
expect_eq "$(status_of new) $(property ActiveState docker-name.scope)" 'running active' 'the new one of that name'
end_one new 'the two of one name'

step 'a unit that failed is forgotten'
bundle_with '.linux.cgroupsPath = "system.slice:docker:failed"' /bin/no-such-program
run_status systemd_runtime run --bundle "$W/bundle" failed
[ "$STATUS" -ne 0 ] || fail 'a program that is not there ran'
expect_nothing_left 'the failed create'

# cut_off VICTIM DELAY FILE: a create of which the CLI, or its helper, is killed so many seconds after FILE is
# there; cut_short deletes what is left.
cut_off() {
  local victim=$1 delay=$2 file=$3 caller
  "$RUNTIME" "${arguments[@]}" --systemd-cgroup create --bundle "$W/bundle" cut >/dev/null 2>"$W/cut.err" </dev/null &
  caller=$!
  wait_until 30 eval "[ -e $file ]" || fail "no $file: $(cat "$W/cut.err")"
  sleep "$delay"
  if [ "$victim" = caller ]; then kill -KILL "$caller"; else pkill -KILL -P "$caller" casemate-system; fi 2>/dev/null || true
  { wait "$caller" || true; } 2>/dev/null
}
cut_short() {
  cut_off "$@"
  end_one cut "the $1 killed $2 s after $3"
}
create_cut() { systemd_runtime create --bundle "$W/bundle" cut >"$W/cut.out" 2>&1 </dev/null; }

step 'a create whose caller is killed, at some moments, leaves no unit'
bundle_with '.linux.cgroupsPath = "system.slice:docker:cut"' sleep 600
mapfile -t arguments < <(runtime_arguments)
for file in cut cut/journal cut/unit; do cut_short caller 0 "$W/state/*/$file"; done
for delay in 0 0.02 0.05 0.1 0.2 0.4 0.8; do cut_short caller "$delay" "$CGROUPS/system.slice/docker-cut.scope"; done

step 'nor does it keep the name from the next one'
cut_off caller 0 "$W/state/*/cut/unit"
wait_until 30 create_cut || fail "the name stays taken: $(cat "$W/cut.out")"
expect_eq "$(status_of cut)" created 'the next one'
end_one cut 'the next one'

step 'nor does one whose helper is killed'
for delay in 0 0.02 0.1; do cut_short helper "$delay" "$CGROUPS/system.slice/docker-cut.scope"; done

step 'both wardens killed: delete ends job and unit'
systemd_runtime create --bundle "$W/bundle" lonely >/dev/null 2>&1 </dev/null || fail 'create'
expect_status 0 systemd_runtime start lonely
pkill -KILL -x casemate-warden
end_one lonely 'the container without wardens'

step 'what systemd cannot be asked for is refused by name'
bundle_with '.linux.cgroupsPath = "/site/jobs/x"' true
refused 2 cgroup.systemd 'a plain path'
bundle_with '.linux.cgroupsPath = "system:docker:x"' true
refused 2 cgroup.systemd 'what is no slice'
bundle_with '.linux.resources.pids.limit = 1' true
refused 4 cgroup.systemd-pids 'one process alone'
bundle_with '.linux.cgroupsPath = "system.slice:docker:x"' true
run_status runtime run --bundle "$W/bundle" x
expect_contains "$ERR" '[cgroup.systemd]' "systemd's notation without --systemd-cgroup"
expect_contains "$ERR" '--systemd-cgroup' 'what to do about it'

# start_job NAME COMMAND…: the signed job, on its dataset, started by a unit engine-NAME with these
# commands of the runtime, one after the other.
start_job() {
  local name=$1 command
  shift
  python_job "$name" 'import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(3))
print("up", flush=True)
time.sleep(600)'
  edit_config "$W/$name" ".linux.cgroupsPath = \"system.slice:docker:$name\""
  {
    printf '#!/bin/sh\nexec >"%s" 2>&1\n' "$W/$name.out"
    for command in "$@"; do printf '%s --systemd-cgroup %s\n' "$RUNTIME ${arguments[*]}" "$command"; done
    printf 'echo "exit code $?"\nexec sleep 600\n'
  } >"$W/engine"
  chmod 0755 "$W/engine"
  systemd-run --quiet --collect --unit "engine-$name" "$W/engine"
  wait_until 120 grep -q '^up' "$W/$name.out" || fail "job $name did not start: $(cat "$W/$name.out")"
}
last_receipt() {
  "$CASECTL" receipt show --json "$(site_last_receipt)" | jq -r '.. | objects | select(has("exitCode")) |
    "\(.container) \(.wiped.bytes > 0) \(.warden) \(.twin)"'
}

step "systemctl stop of the caller's unit: the job goes on, and its end is what it always is"
mv -- "$W/job" "$W/bundle.job"
rm -rf -- "$W/bundle"
mv -- "$W/bundle.job" "$W/bundle"
start_job kept "--job $W/kept.job create --bundle $W/kept kept" "start kept"
systemctl stop engine-kept
expect_eq "$(status_of kept)" running 'the job of an engine that was stopped'
expect_eq "$(sort -u <(for pid in $(pgrep -x casemate-warden); do cat "/proc/$pid/cgroup"; done))" \
  '0::/casemate-wardens' 'where the wardens are'
expect_status 0 systemd_runtime kill kept TERM
wait_until 60 has_status kept stopped || fail 'the job does not end'
expect_status 0 systemd_runtime delete kept
expect_nothing_left 'the job whose engine was stopped'
expect_eq "$(last_receipt)" 'kept true ok ok' 'its receipt'

step 'systemctl stop of the job: wiped and receipted'
start_job stopped "--job $W/stopped.job run --bundle $W/stopped stopped"
systemctl stop docker-stopped.scope
wait_until 60 grep -q 'exit code 3' "$W/stopped.out" || fail "the job's caller learns $(cat "$W/stopped.out")"
systemctl stop engine-stopped
expect_nothing_left 'the job that was stopped'
expect_eq "$(last_receipt)" 'stopped true ok ok' 'its receipt'
site_evidence || fail 'receipts or audit log do not verify'

step 'without the direct socket the system bus serves'
mount --bind /dev/null /run/systemd/private
bundle_with '.linux.cgroupsPath = "system.slice:docker:bus"' cat /proc/self/cgroup
expect_status 0 systemd_runtime run --bundle "$W/bundle" bus
expect_eq "$OUT" '0::/system.slice/docker-bus.scope' 'its control group'
[ ! -e "$CGROUPS/system.slice/docker-bus.scope" ] || fail 'the scope stays'

step 'no systemd to be asked: said by name, and the other driver with it'
mount -t tmpfs none /run/systemd
run_status systemd_runtime run --bundle "$W/bundle" nobody
expect_eq "$STATUS" 4 "exit code ($ERR)"
expect_contains "$ERR" '[cgroup.systemd-absent]' 'a host without systemd'
expect_contains "$ERR" cgroupfs 'what to do about it'
umount /run/systemd
