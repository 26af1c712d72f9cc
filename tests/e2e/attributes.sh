#!/usr/bin/env bash
# When, where and as what a container's processes run, what its caller passes on by environment, and
# limits of huge pages: asked for in config.json, seen from the host.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

# configure JQ_FILTER: the bundle's configuration from now on.
configure() { jq "$1" "$W/plain.json" >"$W/bundle/config.json"; }
start() {  # ID
  runtime create --bundle "$W/bundle" "$1" >"$W/$1.out" 2>"$W/$1.err" </dev/null ||
    fail "create $1: $(cat "$W/$1.err")"
  expect_status 0 runtime start "$1"
}
pid_of() { runtime state "$1" | jq -er .pid; }
end() { expect_status 0 runtime delete --force "$1"; }
refused() {  # STATUS RULE JQ_FILTER
  configure "$3"
  expect_status "$1" runtime run --bundle "$W/bundle" never
  expect_contains "$ERR" "[$2]" "the refusal of $3"
}
# use_profile JQ_FILTER: baseline, changed.
use_profile() { jq ".name = \"tested\" | $1" "$ROOT/profiles/baseline.json" >"$W/profiles/tested.json"; }

policy_of() { chrt -p "$1" | awk '/policy/ {print $NF}'; }
nice_of() { awk '{print $19}' "/proc/$1/stat"; }
memory_policy_of() { awk 'NR == 1 {print $2}' "/proc/$1/numa_maps"; }
# The processors, as the kernel writes them.
processors_of() { awk '$1 == "Cpus_allowed_list:" {print $2}' "/proc/$1/status"; }
expect_sleeper() {  # PID POLICY NICE IO_PRIORITY WHAT
  expect_eq "$(policy_of "$1")" "$2" "$5: policy"
  expect_eq "$(nice_of "$1")" "$3" "$5: nice"
  expect_eq "$(ionice -p "$1")" "$4" "$5: I/O priority"
}

e2e_begin
require_casemate
mkdir -p "$W/profiles"
use_profile .
write_host_config '.paths.profiles += ["'"$W"'/profiles"] |
  .rules = [{job: false, profile: "tested"}, {deny: true}]'
busybox_bundle "$W/bundle" sleep 600
gcc -O1 -Wall -Wextra -static -o "$W/bundle/rootfs/bin/notify" "$E2E_DIR/notify.c"
for applet in uname nproc; do ln -sf busybox "$W/bundle/rootfs/bin/$applet"; done
cp "$W/bundle/config.json" "$W/plain.json"
configure '.process.args = ["true"]'
expect_status 0 runtime run --bundle "$W/bundle" warm
snapshot "$W/before"

step 'scheduler, I/O priority, memory policy, personality'
configure '.process.scheduler = {policy: "SCHED_BATCH", nice: 7} |
  .process.ioPriority = {class: "IOPRIO_CLASS_BE", priority: 6} |
  .linux.memoryPolicy = {mode: "MPOL_INTERLEAVE", nodes: "0", flags: ["MPOL_F_STATIC_NODES"]} |
  .linux.personality = {domain: "LINUX32"}'
start one
pid=$(pid_of one)
expect_sleeper "$pid" SCHED_BATCH 7 'best-effort: prio 6' 'the container'
expect_eq "$(memory_policy_of "$pid")" 'interleave=static:0' 'memory policy'
expect_eq "$(cat "/proc/$pid/personality")" 00000008 'personality'

step 'exec: the same for what asks for nothing, its own for what asks'
runtime exec --detach --pid-file "$W/exec.pid" one sleep 601 </dev/null >/dev/null
pid=$(cat "$W/exec.pid")
expect_sleeper "$pid" SCHED_BATCH 7 'best-effort: prio 6' 'exec'
expect_eq "$(memory_policy_of "$pid")" 'interleave=static:0' 'memory policy of exec'
expect_eq "$(cat "/proc/$pid/personality")" 00000008 'personality of exec'
expect_contains "$(runtime exec one uname -m </dev/null)" 86 'uname in a 32-bit personality'
jq '.process | .args = ["sleep", "602"] | .scheduler = {policy: "SCHED_IDLE"} |
  .ioPriority = {class: "IOPRIO_CLASS_IDLE"}' "$W/plain.json" >"$W/process.json"
runtime exec --detach --process "$W/process.json" --pid-file "$W/exec.pid" one </dev/null >/dev/null
pid=$(cat "$W/exec.pid")
expect_eq "$(policy_of "$pid") $(ionice -p "$pid")" 'SCHED_IDLE idle' 'exec with a process of its own'
jq '.process | .args = ["true"] | .scheduler = {policy: "SCHED_RR", priority: 5}' "$W/plain.json" >"$W/process.json"
expect_status 1 runtime exec --process "$W/process.json" one
expect_contains "$ERR" '[scheduler.realtime]' 'exec in real time'
end one

step 'exec: processors'
configure '.process.execCPUAffinity = {initial: "0", final: "0"}'
start cpus
expect_eq "$(processors_of "$(pid_of cpus)")" "$(processors_of self)" 'not for the container itself'
runtime exec --detach --pid-file "$W/exec.pid" cpus sleep 601 </dev/null >/dev/null
expect_eq "$(processors_of "$(cat "$W/exec.pid")")" 0 'of an exec'
jq '.process | .args = ["nproc"] | .execCPUAffinity = {final: "8191"}' "$W/plain.json" >"$W/process.json"
expect_status 3 runtime exec --process "$W/process.json" cpus
expect_contains "$ERR" "none of these processors is the container's" 'a processor that is not there'
jq '.process | .args = ["nproc"] | .execCPUAffinity = {initial: "8191"}' "$W/plain.json" >"$W/process.json"
expect_status 2 runtime exec --process "$W/process.json" cpus
expect_contains "$ERR" '[exec.cpu-affinity]' 'an initial processor that is not there'
expect_eq "$(runtime exec cpus nproc </dev/null)" 1 'what nproc says'
end cpus
expect_same "$W/before" 'attributes'

step 'what the profile does not allow'
refused 1 scheduler.realtime '.process.scheduler = {policy: "SCHED_FIFO", priority: 1}'
refused 1 io-priority.realtime '.process.ioPriority = {class: "IOPRIO_CLASS_RT"}'
refused 4 oci.personality-flags '.linux.personality = {domain: "LINUX", flags: ["ADDR_NO_RANDOMIZE"]}'
configure '.process.scheduler = {policy: "SCHED_OTHER", nice: -20}'
start nice
expect_eq "$(nice_of "$(pid_of nice)")" 0 'nice is tightened'
end nice
use_profile '.process.personalities = []'
refused 1 process.personality '.linux.personality = {domain: "LINUX32"}'

step "nothing of the caller's personality"
configure .
run_status setarch -R -X "$RUNTIME" --config "$W/casemate.json" --root "$W/root" create --bundle "$W/bundle" plain
[ "$STATUS" -eq 0 ] || fail "create under setarch: $ERR"
expect_eq "$(cat "/proc/$(pid_of plain)/personality")" 00000000 'personality'
expect_status 0 runtime start plain
expect_eq "$(setarch -R "$RUNTIME" --config "$W/casemate.json" --root "$W/root" exec plain cat /proc/self/personality </dev/null)" \
  00000000 'personality of exec'
end plain

step 'real time, where the profile and the control group allow it'
use_profile '.resources.unsafe_realtime = true | .resources.nice_min = -20'
realtime='.process.scheduler = {policy: "SCHED_RR", priority: 3, flags: ["SCHED_FLAG_RESET_ON_FORK"]} |
  .process.ioPriority = {class: "IOPRIO_CLASS_RT", priority: 1}'
# Only cgroup v1 shares real time out.
if [ -f /sys/fs/cgroup/cpu/cpu.rt_runtime_us ]; then
  configure "$realtime"
  expect_status 3 runtime run --bundle "$W/bundle" never
  expect_contains "$ERR" realtimeRuntime 'no real time in the control group'
  realtime+=' | .linux.resources.cpu = {realtimeRuntime: 10000, realtimePeriod: 1000000}'
fi
configure "$realtime"
start rt
pid=$(pid_of rt)
expect_eq "$(policy_of "$pid")" 'SCHED_RR|SCHED_RESET_ON_FORK' 'policy'
expect_eq "$(chrt -p "$pid" | awk '/priority/ {print $NF}')" 3 'priority'
expect_eq "$(ionice -p "$pid")" 'realtime: prio 1' 'I/O priority'
end rt

step 'features: every memory policy that is listed works'
use_profile .
expect_status 0 runtime features
features=$OUT
expect_eq "$(jq -r .ociVersionMax <<<"$features")" 1.3.0 'version'
memory_policy() {  # POLICY: it holds, or this kernel has none like it
  configure ".process.args = [\"true\"] | .linux.memoryPolicy = $1"
  run_status runtime run --bundle "$W/bundle" numa
  [ "$STATUS" -eq 0 ] || [[ $ERR == *'the kernel does not know the mode'* ]] || fail "$1: $ERR"
}
while read -r mode; do
  case $mode in
    MPOL_DEFAULT | MPOL_LOCAL) memory_policy "{mode: \"$mode\"}" ;;
    *) memory_policy "{mode: \"$mode\", nodes: \"0\"}" ;;
  esac
done < <(jq -er '.linux.memoryPolicy.modes[]' <<<"$features")
while read -r flag; do
  memory_policy "{mode: \"MPOL_BIND\", nodes: \"0\", flags: [\"$flag\"]}"
done < <(jq -er '.linux.memoryPolicy.flags[]' <<<"$features")
refused 2 oci.memory-policy '.linux.memoryPolicy = {mode: "MPOL_SOMEWHERE"}'
expect_same "$W/before" 'bounds and features'

step 'LISTEN_FDS: descriptors for the container, before those of --preserve-fds'
printf 'listening' >"$W/three"
printf 'preserved' >"$W/four"
configure '.process.args = ["sh", "-c", "echo $LISTEN_FDS $LISTEN_PID; cat <&3; cat <&4; [ -e /proc/$$/fd/5 ] || echo ,no five"]
  | .process.env += ["LISTEN_FDS=7"]'
passing() {  # LISTEN_PID or "own"
  LISTEN_FDS=1 bash -c 'pid=$1; [ "$pid" != own ] || pid=$$; shift; LISTEN_PID=$pid exec "$@"' bash "$1" \
    "$RUNTIME" --config "$W/casemate.json" --root "$W/root" run --bundle "$W/bundle" --preserve-fds 1 fds \
    3<"$W/three" 4<"$W/four" 5</etc/passwd </dev/null
}
expect_eq "$(passing own)" $'1 1\nlisteningpreserved,no five' 'both kinds'
expect_eq "$(passing 1 2>/dev/null)" $'7\nlistening,no five' "another process' descriptors"
run_status bash -c 'LISTEN_FDS=x LISTEN_PID=$$ exec "$@"' bash "$RUNTIME" --config "$W/casemate.json" \
  --root "$W/root" run --bundle "$W/bundle" fds
expect_eq "$STATUS" 2 'nonsense in LISTEN_FDS'

step 'NOTIFY_SOCKET: start returns when the container is ready, and READY=1 alone goes on'
"$W/bundle/rootfs/bin/notify" listen "$W/manager.sock" >"$W/manager.out" &
manager=$!
wait_until 5 test -S "$W/manager.sock" || fail 'no manager'
said() { cat "$W/manager.out"; }
configure '.process.user = {uid: 1000, gid: 1000} | .process.args = ["sh", "-c", "echo $NOTIFY_SOCKET;
  echo no >/run/notify/x 2>/dev/null && echo written; rm -f /run/notify/notify.sock 2>/dev/null && echo removed
  notify send \"STATUS=warming\"; notify send \"MAINPID=1 FDSTORE=1\" 0 1
  while [ ! -e /dev/shm/go ]; do sleep 0.05; done
  notify send \"STATUS=fine
READY=1
WATCHDOG_USEC=1\" 0; sleep 600"]'
notified() { NOTIFY_SOCKET=$W/manager.sock runtime "$@"; }
notified create --bundle "$W/bundle" ready >"$W/ready.out" 2>"$W/ready.err" </dev/null ||
  fail "create: $(cat "$W/ready.err")"
pid=$(pid_of ready)
notified start ready </dev/null >"$W/start.err" 2>&1 &
starting=$!
wait_until 5 grep -q notify.sock "$W/ready.out" || fail 'the container does not run'
sleep 0.3
kill -0 "$starting" || fail "start did not wait: $(cat "$W/start.err")"
expect_eq "$(said)" '' 'before the container is ready'
touch "/proc/$pid/root/dev/shm/go"
wait "$starting" || fail "start failed: $(cat "$W/start.err")"
said_ready() { [ "$(said)" = "MAINPID=$pid READY=1 " ]; }
wait_until 5 said_ready || fail "the manager heard: $(said)"
expect_eq "$(cat "$W/ready.out")" /run/notify/notify.sock 'the folder is not to be written to'
end ready

step 'NOTIFY_SOCKET: run, a container that ends without a word, a caller that cannot be told'
: >"$W/manager.out"
configure '.process.args = ["notify", "send", "READY=1"]'
expect_status 0 notified run --bundle "$W/bundle" ready
said_of_run() { [[ $(said) =~ ^MAINPID=[0-9]+\ READY=1\ $ ]]; }
wait_until 5 said_of_run || fail "the manager heard: $(said)"
configure '.process.args = ["true"]'
expect_status 0 notified run --bundle "$W/bundle" --detach silent
wait_until 5 runtime delete silent || fail 'the silent container stays'
expect_status 2 env NOTIFY_SOCKET=relative "$RUNTIME" --config "$W/casemate.json" --root "$W/root" run --bundle "$W/bundle" never
expect_contains "$ERR" '[notify.socket]' 'no address'
configure '.process.args = ["notify", "send", "READY=1"]'
expect_status 3 env "NOTIFY_SOCKET=$W/nobody.sock" "$RUNTIME" --config "$W/casemate.json" --root "$W/root" run --bundle "$W/bundle" --detach deaf
end deaf

step 'NOTIFY_SOCKET: not for a container whose profile has none'
use_profile '.process.notify = false'
: >"$W/manager.out"
rmdir "$W/bundle/rootfs/run/notify"  # where the others' was mounted
configure '.process.args = ["sh", "-c", "echo socket: ${NOTIFY_SOCKET-none}; ls -d /run/notify || true"]'
expect_status 0 notified run --bundle "$W/bundle" quiet
expect_eq "$OUT" 'socket: none' 'no socket and no folder'
expect_eq "$(said)" '' 'nobody was told'
use_profile .
kill "$manager"
wait "$manager" || true
expect_same "$W/before" 'notify'

step 'update: huge pages'
if grep -qw hugetlb /sys/fs/cgroup/unified/cgroup.controllers /sys/fs/cgroup/cgroup.controllers 2>/dev/null ||
  [ -d /sys/fs/cgroup/hugetlb ]; then
  huge() {
    cat /sys/fs/cgroup/{unified/,}e2e-huge/hugetlb.2MB.max \
      /sys/fs/cgroup/hugetlb/e2e-huge/hugetlb.2MB.limit_in_bytes 2>/dev/null || true
  }
  # What the limit has switched on for all groups of the host is off again afterwards.
  switched=/sys/fs/cgroup/unified/cgroup.subtree_control
  was_on=$(grep -w hugetlb "$switched" 2>/dev/null || true)
  configure '.linux.cgroupsPath = "/e2e-huge" | .linux.resources.hugepageLimits = [{pageSize: "2MB", limit: 4194304}]'
  start huge
  expect_eq "$(huge)" 4194304 'at create'
  printf '{"hugepageLimits": [{"pageSize": "2MB", "limit": 0}]}' >"$W/resources.json"
  expect_status 0 runtime update --resources "$W/resources.json" huge
  expect_eq "$(huge)" 0 'after the update'
  expect_eq "$(jq -c '.steps[] | select(.step == "cgroup").resources.hugepages' "$W"/state/*/huge/plan.json)" \
    '[["2MB",0]]' 'the stored plan'
  printf '{"hugepageLimits": [{"pageSize": "3MB", "limit": 0}]}' >"$W/resources.json"
  run_status runtime update --resources "$W/resources.json" huge
  [ "$STATUS" -ne 0 ] || fail 'pages of a size that is not there'
  expect_eq "$(huge)" 0 'after the refused update'
  end huge
  if [ -f "$switched" ] && [ -z "$was_on" ]; then echo -hugetlb >"$switched"; fi
fi
step 'update: RDMA'
if [ ! -d /sys/fs/cgroup/rdma ] && ! grep -qw rdma /sys/fs/cgroup/{unified/,}cgroup.controllers 2>/dev/null; then
  configure .
  start rdma
  printf '{"rdma": {"mlx5_0": {"hcaHandles": 3}}}' >"$W/resources.json"
  expect_status 4 runtime update --resources "$W/resources.json" rdma
  expect_contains "$ERR" 'no cgroup controller rdma' 'a host without it'
  end rdma
fi
expect_same "$W/before" 'update'
