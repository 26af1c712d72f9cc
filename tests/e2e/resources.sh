#!/usr/bin/env bash
# The commands that work on a running container through its control group, as engines call them:
# ps, pause, resume, update, events, kill.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

has_status() { [ "$(status_of "$1")" = "$2" ]; }
create() {  # ID
  runtime create --bundle "$W/bundle" "$1" >"$W/$1.out" 2>"$W/$1.err" </dev/null ||
    fail "create $1: $(cat "$W/$1.err")"
}
start() {  # ID
  create "$1"
  expect_status 0 runtime start "$1"
}

# limit CONTROLLER V1_FILE V2_FILE: a limit of container "one", wherever this host keeps it.
limit() {
  local folder
  for folder in "/sys/fs/cgroup/$1/e2e-limits" /sys/fs/cgroup/unified/e2e-limits /sys/fs/cgroup/e2e-limits; do
    if [ -f "$folder/$2" ]; then cat "$folder/$2"; return; fi
    if [ -f "$folder/$3" ]; then cat "$folder/$3"; return; fi
  done
  fail "no file $2 or $3"
}
memory() { limit memory memory.limit_in_bytes memory.max; }
pids() { limit pids pids.max pids.max; }
quota() { limit cpu cpu.cfs_quota_us cpu.max | cut -d ' ' -f 1; }
stored() { jq -er ".steps[] | select(.step == \"cgroup\").resources | $1" "$W"/state/*/one/plan.json; }

# refused STATUS RULE COMMAND…
refused() {
  local status=$1 rule=$2
  shift 2
  expect_status "$status" "$@"
  expect_contains "$ERR" "[$rule]" "the refusal of: $*"
}

e2e_begin
require_casemate
mkdir -p "$W/profiles"
jq '.name = "bounded" | .resources += {memory_max: 268435456, pids_max: 200, cpu_max_millis: 1500,
  required: ["memory"]}' "$ROOT/profiles/baseline.json" >"$W/profiles/bounded.json"
write_host_config '.paths.profiles += ["'"$W"'/profiles"] |
  .rules = [{job: false, profile: "bounded"}, {deny: true}]'
busybox_bundle "$W/bundle" sh -c 'trap "exit 0" USR1; echo up; sleep 600 & wait'
edit_config "$W/bundle" '.linux.cgroupsPath = "/e2e-limits" | .linux.resources.memory = {limit: 134217728, swap: 134217728} |
  .linux.resources.pids.limit = 100'
# The first container makes what stays: the state folder, keys, the seccomp cache.
start warm
expect_status 0 runtime delete --force warm
snapshot "$W/before"

step 'ps: pids as JSON, and the lines of the host'"'"'s ps'
start one
wait_until 5 grep -q up "$W/one.out" || fail 'the job did not start'
init=$(runtime state one | jq -er .pid)
two_processes() { [ "$(runtime ps -f json one | jq length)" -eq 2 ]; }
wait_until 5 two_processes || fail "not two processes: $(runtime ps --format json one)"
expect_eq "$(runtime ps --format json one | jq ".[0]")" "$init" 'the first pid'
expect_eq "$(runtime ps one | awk 'NR > 1 {print $2}' | sort -n | paste -sd ' ')" \
  "$(runtime ps -f json one | jq -r 'map(tostring) | join(" ")')" 'the pids of the table'
expect_contains "$(runtime ps one | head -1)" PID 'the heading'
expect_eq "$(runtime ps one -o pid,args | awk -v pid="$init" '$1 == pid {print $2, $3}')" 'sh -c' 'options for ps'
refused 2 ps.columns runtime ps one -o args
refused 3 ps.failed runtime ps one --no-such-option
expect_status 2 runtime ps --format yaml one
refused 2 container.unknown runtime ps never-was

step 'pause and resume'
refused 2 container.not-paused runtime resume one
expect_status 0 runtime pause one
expect_eq "$(status_of one)" paused 'after pause'
expect_eq "$(runtime list --format json | jq -r '.[0].status')" paused 'list'
refused 2 container.not-running runtime pause one
expect_contains "$ERR" 'container not running' 'the words that engines know'
refused 2 container.state runtime start one
refused 2 container.state runtime delete one
expect_eq "$(runtime ps -f json one | jq length)" 2 'ps of a paused container'
expect_status 0 runtime update --pids-limit 90 one
expect_status 0 runtime kill one USR1  # waits for the thaw
expect_eq "$(status_of one)" paused 'a signal does not thaw'
expect_status 0 runtime resume one
wait_until 5 has_status one stopped || fail 'the signal did not arrive after resume'
expect_status 0 runtime delete one
expect_same "$W/before" 'pause and resume'

step 'SIGKILL ends a paused container'
start one
for how in 'kill one KILL' 'kill one 9' 'kill --all one SIGKILL' 'delete --force one'; do
  expect_status 0 runtime pause one
  # shellcheck disable=SC2086
  expect_status 0 runtime $how
  [[ $how == delete* ]] || wait_until 5 has_status one stopped || fail "$how did not end a paused container"
  [[ $how == delete* ]] || expect_status 0 runtime delete one
  expect_same "$W/before" "$how of a paused container"
  [[ $how == delete* ]] || start one
done

step 'a created container can be paused, is not started then, and goes on'
create one
expect_status 0 runtime pause one
refused 2 container.state runtime start one
expect_status 0 runtime resume one
expect_status 0 runtime start one
expect_status 0 runtime delete --force one
expect_same "$W/before" 'pause before start'

step 'a paused job is cleaned up when its warden is killed, and when both are'
for victims in .wardenPid .twinPid '.wardenPid, .twinPid'; do
  start one
  expect_status 0 runtime pause one
  # shellcheck disable=SC2046
  kill -KILL $(jq -er "$victims" "$W"/state/*/one/state.json)
  if [ "$victims" != '.wardenPid, .twinPid' ]; then
    wait_until 10 has_status one stopped || fail "the job outlived its $victims"
  fi
  expect_status 0 runtime delete --force one
  expect_same "$W/before" "a paused job without $victims"
done

step 'pause and kill at once, many times: nothing stays frozen'
for _ in 1 2 3 4 5 6 7 8; do
  start one
  runtime pause one >/dev/null 2>&1 </dev/null &
  expect_status 0 runtime kill one KILL
  wait $! || true
  wait_until 10 has_status one stopped || fail 'a killed container stayed paused'
  expect_status 0 runtime delete one
done
expect_same "$W/before" 'pause against kill'

step 'kill: the names that engines and people use'
for name in term Term SIGTERM sigterm 15 RTMIN rtmin+1 SIGRTMAX-1 io; do
  start one
  expect_status 0 runtime kill one "$name"
  expect_status 0 runtime delete --force one
done
start one
for name in RTMIN+31 RTMAX+1 RTMIN-1 RTMIN+ SIGSIGTERM nonsense; do
  refused 2 signal.name runtime kill one "$name"
done
expect_contains "$ERR" 'unknown signal "nonsense"' 'the words of runc'
expect_eq "$(status_of one)" running 'after refused signals'

step 'update: each option reaches the kernel and the stored plan'
expect_status 0 runtime update --memory 64m --memory-swap 96m one
expect_eq "$(memory)" 67108864 'memory'
expect_eq "$(stored .memory.limit) $(stored .memory.swap)" '67108864 100663296' 'the stored plan'
expect_status 0 runtime update --memory 100663296 --memory-reservation 32m --pids-limit 50 one
expect_eq "$(memory) $(pids)" '100663296 50' 'memory, up'
expect_status 0 runtime update --cpu-quota 50000 --cpu-period 100000 --cpu-share 512 one
expect_eq "$(quota)" 50000 'quota'
expect_status 0 runtime update --cpu-quota 20000 one
expect_eq "$(quota) $(stored .cpu.period)" '20000 100000' 'the quota alone'
expect_status 0 runtime update --cpuset-cpus 0 --cpuset-mems 0 one
expect_eq "$(limit cpuset cpuset.cpus cpuset.cpus)" 0 'cpuset'
expect_status 0 runtime update --cpu-idle 1 one
expect_eq "$(limit cpu cpu.idle cpu.idle)" 1 'idle'
expect_status 0 runtime update --cpu-idle 0 one
expect_status 0 runtime update --kernel-memory 16m one
expect_contains "$ERR" warning '--kernel-memory'
refused 4 update.rdt runtime update --l3-cache-schema x one
refused 4 update.rdt runtime update --mem-bw-schema x one
expect_eq "$(stored .pids)" 50 'what was not asked for'

step 'update: resources as JSON, from a file and from standard input; zeros mean "as it is"'
printf '{"memory":{"limit":83886080,"swap":83886080},"cpu":{"shares":0,"quota":0,"cpus":""},"pids":{"limit":40},"blockIO":{"weight":0}}' >"$W/limits.json"
expect_status 0 runtime update --resources "$W/limits.json" --memory 1 one  # the file alone counts
expect_eq "$(memory) $(pids) $(quota)" '83886080 40 20000' 'from a file'
STATUS=0
printf '{"pids":{"limit":30}}' | runtime update -r - one || STATUS=$?
expect_eq "$STATUS $(pids)" '0 30' 'from standard input'
# What the CRI plugin sends: the whole of config.json's resources, devices among them.
jq '.linux.resources | .memory.limit = 75497472 | .memory.swap = 75497472' "$W/bundle/config.json" >"$W/whole.json"
expect_status 0 runtime update --resources "$W/whole.json" one
expect_eq "$(memory)" 75497472 'the whole resources again'

step 'update: the audit log has old and new values, the stored digest is that of the plan'
record=$(grep '"event":"update"' "$W/data/audit/audit.jsonl" | tail -1)
expect_eq "$(jq -er '.facts.old.memory.limit, .facts.new.memory.limit' <<<"$record" | paste -sd ' ')" '83886080 75497472' 'the record'
digest=sha256:$(file_sha256 "$(echo "$W"/state/*/one/plan.json)")
expect_eq "$(jq -er .planDigest "$W"/state/*/one/state.json)" "$digest" 'the digest in the state'
expect_eq "$(jq -er .facts.plan <<<"$record")" "$digest" 'the digest in the record'

step 'update: the ceilings of the profile hold as they do at create'
expect_status 0 runtime update --memory 100g --memory-swap -1 one
expect_eq "$(memory) $(stored .memory.limit) $(stored .memory.swap)" '268435456 268435456 268435456' 'above the ceiling'
expect_contains "$ERR" '[resources.memory]' 'the caller is told'
expect_status 0 runtime update --pids-limit -1 --cpu-quota -1 one
expect_eq "$(pids) $(quota)" '200 150000' 'no limit, under a ceiling'

step 'attacks: what is refused changes nothing'
expect_status 0 runtime update --memory 64m --memory-swap 64m --pids-limit 20 --cpu-quota 50000 --cpu-period 100000 one
before="$(memory) $(pids) $(quota) $(sha256sum "$W"/state/*/one/plan.json)"
unchanged() { expect_eq "$(memory) $(pids) $(quota) $(sha256sum "$W"/state/*/one/plan.json)" "$before" "$1"; }
for pair in memory=-2 memory=1x memory=99999999999999999999 memory=9223372036854775807k memory= memory=0x10 \
  memory='1 ; 2' memory-swap=-5 cpu-quota=99999999999999999999 cpu-quota=-7 cpu-period=-1 cpu-period=1e3 \
  cpu-share=-1 pids-limit=-9 pids-limit=18446744073709551616 blkio-weight=-1 cpu-idle=x \
  cpuset-cpus=0-3/../.. memory=nan memory=inf memory=1..5m; do
  refused 2 update.value runtime update "--${pair%%=*}" "${pair#*=}" one
  unchanged "$pair"
done
for document in '{"memory":{"limit":67108864,"limit":134217728}}' '{"pids":{"limit":"5"}}' '{' '[]' '{} {}' \
  '{"memory":{"limit":-2}}' '{"pids":{"limit":-2}}' '{"memory":{"limit":1e30}}' '{"cpu":{"period":-1}}' \
  '{"cpu":{"cpus":"0\n1"}}' '{"unified":{"../cgroup.procs":"1"}}'; do
  printf '%s' "$document" >"$W/limits.json"
  expect_status 2 runtime update --resources "$W/limits.json" one
  unchanged "$document"
done
refused_document() {  # STATUS RULE DOCUMENT
  printf '%s' "$3" >"$W/limits.json"
  refused "$1" "$2" runtime update --resources "$W/limits.json" one
  unchanged "$3"
}
refused_document 1 devices.wildcard '{"devices":[{"allow":true,"access":"rwm"}]}'
refused_document 1 devices.rule '{"devices":[{"allow":false,"access":"rwm"},{"allow":true,"type":"b","major":8,"minor":0,"access":"rw"}]}'
refused_document 1 update.devices '{"devices":[{"allow":false,"access":"rwm"},{"allow":true,"type":"c","major":1,"minor":3,"access":"r"}]}'
refused_document 1 resources.unified '{"unified":{"memory.max":"max"}}'
refused_document 1 resources.realtime '{"cpu":{"realtimeRuntime":1000,"realtimePeriod":2000}}'
refused_document 4 update.fixed '{"blockIO":{"throttleReadBpsDevice":[{"major":8,"minor":0,"rate":1048576}]}}'
refused 2 container.unknown "$RUNTIME" --config "$W/casemate.json" --root "$W/root2" update --memory 70m one
refused 2 container.id runtime update --memory 70m ../one
unchanged 'another --root'

step 'an update that fails half way leaves the old values'
# The kernel takes no period below a millisecond.
refused 2 cgroup.limit runtime update --pids-limit 19 --cpu-quota 5 --cpu-period 100 one
expect_contains "$ERR" 'the old limits stand' 'it says so'
unchanged 'a period that the kernel refuses'
refused 2 cgroup.limit runtime update --pids-limit 19 --memory 128m one  # above its sum with swap
unchanged 'a limit above the sum with swap'
refused 2 cgroup.limit runtime update --memory 1 --memory-swap 1 one  # more is in use
unchanged 'a limit below what is in use'
refused 2 cgroup.limit runtime update --pids-limit 19 --cpuset-cpus 4095 one
unchanged 'a processor that does not exist'
cp "$W/profiles/bounded.json" "$W/bounded.json"
jq '.resources.required = ["memory", "cpu"] | del(.resources.cpu_max_millis)' "$W/bounded.json" >"$W/profiles/bounded.json"
refused 1 resources.required runtime update --cpu-quota -1 one
unchanged 'a required limit taken away'
mv "$W/profiles/bounded.json" "$W/profiles/other.json"
refused 1 profile.unknown runtime update --pids-limit 19 one
unchanged 'a profile that is gone'
rm "$W/profiles/other.json"
cp "$W/bounded.json" "$W/profiles/bounded.json"

step 'the receipt names the plan as it was updated'
expect_status 0 runtime delete --force one
receipt=$(site_last_receipt)
statement=$(jq -r .payload "$receipt" | base64 -d)
expect_eq "$(jq -er .predicate.updatedPlan <<<"$statement")" "sha256:$(cut -d ' ' -f 4 <<<"$before")" 'updatedPlan'
expect_same "$W/before" 'update'
refused 2 container.unknown runtime update --memory 70m one

step 'events --stats: the shape of runc'"'"'s'
start one
expect_status 0 runtime events --stats one
stats=$OUT
expect_eq "$(jq -er '.type, .id' <<<"$stats" | paste -sd ' ')" 'stats one' 'type and id'
expect_eq "$(jq -er .data.memory.usage.limit <<<"$stats")" 134217728 'the memory limit'
expect_eq "$(jq -er '.data.pids.current, .data.pids.limit' <<<"$stats" | paste -sd ' ')" '2 100' 'pids'
[ "$(jq -er .data.cpu.usage.total <<<"$stats")" -gt 0 ] || fail 'no CPU time'
[ "$(jq -er .data.memory.usage.usage <<<"$stats")" -gt 0 ] || fail 'no memory in use'

step 'events: lines at an interval, until the container ends'
runtime events --interval 100ms one >"$W/events" 2>"$W/events.err" </dev/null &
events=$!
wait_until 5 bash -c '[ "$(wc -l <"$W/events")" -ge 3 ]' || fail 'no events'
expect_status 0 runtime kill one KILL
wait_until 5 pid_gone "$events" || fail 'events outlived the container'
wait "$events" || fail "events failed: $(cat "$W/events.err")"
expect_eq "$(jq -r .type "$W/events" | sort -u)" stats 'the end of the control group is no lack of memory'
refused 2 container.not-running runtime events --stats one
for interval in 0s -1s 5 5parsecs 1e3s 999999h ''; do
  refused 2 events.interval runtime events --interval "$interval" one
done
expect_status 0 runtime delete one
expect_same "$W/before" 'events'

step 'events: the OOM killer is told of'
# shellcheck disable=SC2016  # the job's own shell
busybox_bundle "$W/eater" sh -c 'while [ ! -f /tmp/go ]; do sleep 0.1; done; (head -c 400000000 /dev/zero | tail -c 300000000 >/dev/null); sleep 600'
ln -sf busybox "$W/eater/rootfs/bin/tail"
edit_config "$W/eater" '.linux.resources.memory = {limit: 67108864, swap: 67108864}'
runtime run --detach --bundle "$W/eater" eater >/dev/null 2>"$W/eater.err" </dev/null || fail "eater: $(cat "$W/eater.err")"
runtime events --interval 1h eater >"$W/events" 2>"$W/events.err" </dev/null &
events=$!
sleep 0.5
touch "/proc/$(runtime state eater | jq -er .pid)/root/tmp/go"
wait_until 20 grep -q '"type":"oom"' "$W/events" || fail "no oom event: $(cat "$W/events" "$W/events.err")"
expect_eq "$(tail -1 "$W/events" | jq -cS .)" '{"id":"eater","type":"oom"}' 'the event'
expect_status 0 runtime delete --force eater
wait_until 5 pid_gone "$events" || fail 'events outlived the container'
expect_same "$W/before" 'the OOM killer'

if runc=$(command -v runc) && [ -f /sys/fs/cgroup/memory/memory.limit_in_bytes ]; then
  step 'the same keys as runc prints'
  keys() { jq -c '[paths | map(if type == "number" then 0 else . end)] | unique' <<<"$1"; }
  start one
  ours=$(runtime events --stats one)
  expect_status 0 runtime delete --force one
  edit_config "$W/bundle" 'del(.process.noNewPrivileges) | .linux.cgroupsPath = "/e2e-limits"'
  "$runc" --root "$W/runc" run --detach --bundle "$W/bundle" peer >/dev/null 2>"$W/runc.err" </dev/null ||
    fail "runc: $(cat "$W/runc.err")"
  theirs=$("$runc" --root "$W/runc" events --stats peer)
  # Figures that happen to be zero are left out: of those only the names must be known.
  extra=$(jq -nc --argjson ours "$(keys "$ours")" --argjson theirs "$(keys "$theirs")" '
    ["max", "usage", "cache", "total", "periods", "throttledPeriods", "throttledTime"] as $may | (($ours - $theirs) + ($theirs - $ours)) |
    map(select(.[1] != "blkio" and (.[-1] as $key | $may | index($key) | not)))')
  expect_eq "$extra" '[]' 'keys that only one of the two has'
  expect_eq "$("$runc" --root "$W/runc" ps -f json peer | jq -c 'map(type) | unique')" '["number"]' 'ps of runc'
  "$runc" --root "$W/runc" delete --force peer
  rm -rf -- "$W/runc"
  expect_same "$W/before" 'the comparison'
fi
expect_status 0 "$CASECTL" audit verify "$W/data/audit/audit.jsonl"
