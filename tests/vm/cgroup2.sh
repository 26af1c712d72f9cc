#!/usr/bin/env bash
# cgroup v2 alone: limits and device rules are what the kernel enforces, and nothing stays.
# kernel:
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/../e2e/lib.sh"

CGROUPS=/sys/fs/cgroup
LIMITED='.linux.cgroupsPath = "/site/jobs/limited" | .linux.resources += {
  memory: {limit: 67108864, swap: 67108864}, pids: {limit: 16},
  cpu: {quota: 50000, period: 100000, shares: 1024, cpus: "0"}}'

# disk_node: the guest's own disk as a node of the container, open to everybody by its mode.
DISK_MAJOR=$((0x$(stat -c %t /dev/vda)))
disk_node() { mknod -m 666 "$W/bundle/rootfs/data/disk" b "$DISK_MAJOR" 0; }
in_cgroup() { cat "$CGROUPS/site/jobs/limited/$1"; }
# start_one ID: creates and starts $W/bundle, whose output goes to $W/ID.out.
start_one() {
  runtime create --bundle "$W/bundle" "$1" >"$W/$1.out" 2>&1 </dev/null || fail "create $1: $(cat "$W/$1.out")"
  expect_status 0 runtime start "$1"
}
end_one() {
  expect_status 0 runtime delete --force "$1"
  expect_same "$W/before" "$2"
}

e2e_begin
write_host_config
bundle_with . true
expect_status 0 runtime run --bundle "$W/bundle" warm
mkdir -p "$CGROUPS/site/jobs"  # an engine's own, which it keeps
snapshot "$W/before"

step 'this host has cgroup v2 and nothing else'
expect_eq "$(stat -f -c %T "$CGROUPS")" cgroup2fs 'file system'
grep -q ' - cgroup ' /proc/self/mountinfo && fail 'a hierarchy of cgroup v1 is mounted'

step 'limits stand in the kernel, on both sides'
bundle_with "$LIMITED" sh -c 'cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/pids.max
  echo 1 >/sys/fs/cgroup/pids.max; echo up; exec sleep 600'
start_one limited
wait_until 20 grep -q up "$W/limited.out" || fail "the job did not start: $(cat "$W/limited.out")"
expect_eq "$(in_cgroup memory.max)" 67108864 memory.max
expect_eq "$(in_cgroup memory.swap.max)" 0 memory.swap.max
expect_eq "$(in_cgroup pids.max)" 16 pids.max
expect_eq "$(in_cgroup cpu.max)" '50000 100000' cpu.max
expect_eq "$(in_cgroup cpu.weight)" 39 'cpu.weight of 1024 shares'
expect_eq "$(in_cgroup cpuset.cpus)" 0 cpuset.cpus
expect_eq "$(head -2 "$W/limited.out" | tr '\n' ' ')" '67108864 16 ' 'what the container sees of its own cgroup'
expect_contains "$(cat "$W/limited.out")" 'Read-only file system' 'raising its own limit'
expect_eq "$(in_cgroup cgroup.procs)" "$(runtime state limited | jq -r .pid)" 'who is in it'
expect_eq "$(bpftool -j cgroup show "$CGROUPS/site/jobs/limited" | jq -r '.[].attach_type' | sort | tr '\n' ' ')" \
  'cgroup_device ' 'the programs on it'
expect_status 2 runtime exec --cgroup absent limited true
expect_contains "$ERR" '[cgroup.below]' 'a control group that is not there'
expect_status 2 runtime exec --cgroup memory:inner limited true
expect_contains "$ERR" '[cgroup.below]' 'a controller, which has no hierarchy of its own'
end_one limited 'the limited container'

step 'a program in a control group below the container'"'"'s own'
bundle_with '.linux.cgroupsPath = "/site/jobs/outer"' sleep 600
start_one outer
mkdir "$CGROUPS/site/jobs/outer/inner"
expect_status 0 runtime exec --cgroup inner outer cat /proc/self/cgroup
expect_eq "$OUT" '0::/site/jobs/outer/inner' 'its control group'
echo 1 >"$CGROUPS/site/jobs/outer/inner/cgroup.freeze"
expect_status 2 runtime exec --cgroup inner outer true
expect_contains "$ERR" '[container.paused]' 'a frozen one'
end_one outer 'the container with a group below'

step 'more memory than allowed: the OOM killer ends the job, and only that'
bundle_with "$LIMITED" busybox tail /dev/zero
expect_status 137 runtime run --bundle "$W/bundle" hungry
expect_same "$W/before" 'the hungry container'
bundle_with "$LIMITED" sh -c 'busybox dd if=/dev/zero of=/dev/shm/x bs=1M count=32 && echo fits'
expect_status 0 runtime run --bundle "$W/bundle" modest
expect_contains "$OUT" fits 'half of the limit'

step 'a fork bomb stops at pids.max'
bundle_with "$LIMITED" sh -c '(while :; do sleep 600 & done); echo up; exec sleep 600'
start_one bomb
wait_until 20 grep -q up "$W/bomb.out" || fail "the bomb did not go off: $(cat "$W/bomb.out")"
expect_contains "$(cat "$W/bomb.out")" "can't fork" 'what the shell says'
expect_eq "$(in_cgroup pids.events | awk '$1 == "max" {print ($2 > 0)}')" 1 'refused forks'
# The subshell that met the limit is gone.
expect_eq "$(in_cgroup pids.current)" 15 'processes'
expect_status 0 runtime kill bomb KILL
wait_until 10 eval '[ "$(status_of bomb)" = stopped ]' || fail 'kill did not end it'
end_one bomb 'the bomb and all it left'

step 'cpu.max throttles'
bundle_with "$LIMITED" sh -c 'while :; do :; done'
start_one busy
sleep 3
expect_eq "$(in_cgroup cpu.stat | awk '$1 == "nr_throttled" {print ($2 > 0)}')" 1 'throttled periods'
end_one busy 'the busy container'

step 'a device that no rule allows gives EPERM, whatever the node says'
bundle_with . sh -c 'for node in serial null disk; do
    busybox dd if=/data/$node of=/dev/null bs=1 count=0 2>/dev/null && echo "$node opens"; cat /data/$node
  done; echo x >/data/serial; echo x >/data/null && echo wrote; busybox mknod /data/own c 4 64'
mknod -m 666 "$W/bundle/rootfs/data/serial" c 4 64
mknod -m 666 "$W/bundle/rootfs/data/null" c 1 3
disk_node
run_status runtime run --bundle "$W/bundle" nodes
expect_eq "$OUT" $'null opens\nwrote' 'what opens'
expect_contains "$ERR" "can't open '/data/serial': Operation not permitted" 'reading a character device'
expect_contains "$ERR" "can't open '/data/disk': Operation not permitted" 'reading a block device'
expect_contains "$ERR" "can't create /data/serial: Operation not permitted" 'writing'
expect_contains "$ERR" 'mknod: /data/own: Operation not permitted' 'making a node'
expect_same "$W/before" 'device nodes'

step 'a rule that allows reading allows reading alone'
mkdir "$W/profiles"
jq --argjson major "$DISK_MAJOR" '.name = "reader"
  | .devices.allowed = [{path: "/dev/vda", type: "b", major: $major, minor: 0, access: "r"}]' \
  "$ROOT/profiles/baseline.json" >"$W/profiles/reader.json"
site_config ".paths.profiles += [\"$W/profiles\"] | .rules = [{job: false, profile: \"reader\"}, {deny: true}]"
bundle_with ".linux.resources.devices += [{allow: true, type: \"b\", major: $DISK_MAJOR, minor: 0, access: \"r\"}]" \
  sh -c 'busybox head -c 512 /data/disk | busybox wc -c; : >>/data/disk'
disk_node
run_status runtime run --bundle "$W/bundle" reader
expect_eq "$OUT" 512 "reading (stderr: $ERR)"
expect_contains "$ERR" "can't create /data/disk: Operation not permitted" 'writing'
expect_same "$W/before" 'the reader'
write_host_config

step 'a cgroup namespace: the container is at the root of what it sees'
bundle_with '.linux.namespaces += [{type: "cgroup"}] | .linux.cgroupsPath = "/site/jobs/limited"' cat /proc/self/cgroup
expect_status 0 runtime run --bundle "$W/bundle" rooted
expect_eq "$OUT" '0::/' 'its own cgroup, from inside'
expect_same "$W/before" 'the cgroup namespace'

step 'a limit that cgroup v2 does not have is refused'
bundle_with '.linux.resources.memory = {limit: 67108864, swappiness: 10}' true
run_status runtime run --bundle "$W/bundle" swappy
[[ $STATUS -ne 0 && $ERR =~ \[cgroup\.v2-unsupported\] ]] || fail "swappiness: $STATUS $ERR"
expect_same "$W/before" 'the refused limit'

step 'a caller that lives in a cgroup of its own, as an engine of a unit does'
mkdir "$CGROUPS/unit"
echo 0 >"$CGROUPS/unit/cgroup.procs"
bundle_with '.linux.resources.memory = {limit: 67108864}' sh -c 'cat /proc/self/cgroup /sys/fs/cgroup/memory.max'
expect_status 0 runtime run --bundle "$W/bundle" beside
expect_contains "$OUT" 67108864 'the limit below a caller'
[[ $OUT != *0::/unit/* ]] || fail "a container below a cgroup that has processes: $OUT"
echo 0 >"$CGROUPS/cgroup.procs"
rmdir "$CGROUPS/unit"
expect_same "$W/before" 'the caller in its own cgroup'

step 'SELinux is off: a label is refused, not ignored'
bundle_with '.process.selinuxLabel = "system_u:system_r:container_t:s0:c1,c2"' true
run_status runtime run --bundle "$W/bundle" labelled
[[ $STATUS -ne 0 && $ERR =~ \[selinux\.(host|disabled)\] ]] || fail "a label without SELinux: $STATUS $ERR"
expect_same "$W/before" 'the refused label'
