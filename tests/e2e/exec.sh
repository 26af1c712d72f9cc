#!/usr/bin/env bash
# exec: further programs in a running container, called as engines and people call it.
# shellcheck disable=SC2016  # $ belongs to shells and jq inside
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

has_status() { [ "$(runtime state "$1" | jq -er .status)" = "$2" ]; }

start() {  # ID BUNDLE
  runtime create --bundle "$2" "$1" >"$W/$1.out" 2>"$W/$1.err" </dev/null || fail "create $1: $(cat "$W/$1.err")"
  expect_status 0 runtime start "$1"
}

# executing EXPECTED_STATUS [OPTION…] COMMAND…: in container box.
executing() {
  local expected=$1 options=()
  shift
  while [ "$1" != -- ]; do options+=("$1"); shift; done
  shift
  expect_status "$expected" runtime exec "${options[@]}" box "$@"
}

# refused_exec CLASS_CODE RULE ARGUMENT…
refused_exec() {
  local code=$1 rule=$2
  shift 2
  expect_status "$code" runtime exec "$@"
  [[ $ERR =~ \[($rule)\] ]] || fail "expected [$rule] of exec $*: $ERR"
  expect_eq "$(wc -l <"$W/err")" 1 "lines on stderr ($ERR)"
}

last_audit() { tail -1 "$W/data/audit/audit.jsonl" | jq -er "$1"; }

# A process.json as an engine writes it, changed by jq.
process_file() {  # FILE JQ_FILTER
  jq ".process | $2" "$W/bundle/config.json" >"$1"
}

# Takes the terminal from a console socket and copies what comes to FILE.
build_console() {
  gcc -O1 -Wall -Wextra -o "$W/console" "$E2E_DIR/console.c"
}

e2e_begin
write_host_config
build_console
busybox_bundle "$W/bundle" sh -c 'trap "exit 3" TERM; echo up; while :; do sleep 0.05; done'
for applet in readlink stty tty cut; do ln -sf busybox "$W/bundle/rootfs/bin/$applet"; done
printf 'only here' >"$W/bundle/rootfs/data/file"
jq '.process.rlimits = [{type: "RLIMIT_NOFILE", soft: 100, hard: 200}] | .process.oomScoreAdj = 321 | .process.env += ["OWN=container"]
  | .linux.namespaces += [{type: "cgroup"}]' "$W/bundle/config.json" >"$W/config" && mv "$W/config" "$W/bundle/config.json"
busybox_bundle "$W/true" true
expect_status 0 runtime run --bundle "$W/true" warm
snapshot "$W/before"

start box "$W/bundle"
pid=$(runtime state box | jq -er .pid)
wait_until 5 grep -q up "$W/box.out" || fail 'the container did not start'

step 'output, exit codes, stdin, signals of the program'
executing 0 -- echo hello from inside
expect_eq "$OUT" 'hello from inside' 'stdout'
executing 7 -- sh -c 'echo oops >&2; exit 7'
expect_eq "$ERR" oops 'stderr'
executing 137 -- sh -c 'kill -9 $$'
STATUS=0
OUT=$(printf 'to the program' | runtime exec box sh -c 'cat; exit 9') || STATUS=$?
expect_eq "$STATUS $OUT" '9 to the program' 'stdin'
executing 0 -- cat /data/file
expect_eq "$OUT" 'only here' "the container's files"
E2E_TIMEOUT=20 expect_status 0 bash -c 'runtime exec box echo piped | cat'
expect_eq "$OUT" piped 'through a pipe'

step 'signals go on to the program'
runtime exec box sh -c 'trap "echo got TERM; exit 5" TERM; echo ready; while :; do sleep 0.05; done' >"$W/signal.out" 2>&1 </dev/null &
caller=$!
wait_until 5 grep -q ready "$W/signal.out" || fail "no program: $(cat "$W/signal.out")"
# The function runs the runtime as a child of its subshell.
kill -TERM "$(pgrep -P "$caller" || echo "$caller")"
STATUS=0
wait "$caller" || STATUS=$?
expect_contains "$(cat "$W/signal.out")" 'got TERM' 'the signal'

step 'the same namespaces, control groups, filters and ceiling as the container'
for space in pid net mnt ipc uts cgroup user time; do
  executing 0 -- readlink "/proc/self/ns/$space"
  expect_eq "$OUT" "$(readlink "/proc/$pid/ns/$space")" "namespace $space"
done
runtime exec --detach --pid-file "$W/sleep.pid" box sleep 600
inside=$(cat "$W/sleep.pid")
expect_eq "$(cat "/proc/$inside/cgroup")" "$(cat "/proc/$pid/cgroup")" 'control groups'
for line in Uid Gid Groups CapInh CapPrm CapEff CapBnd CapAmb NoNewPrivs Seccomp Seccomp_filters; do
  expect_eq "$(grep "^$line:" "/proc/$inside/status")" "$(grep "^$line:" "/proc/$pid/status")" "$line"
done
expect_contains "$(cat "/proc/$inside/status")" $'Seccomp:\t2' 'the filter is on'
expect_eq "$(cat "/proc/$inside/limits")" "$(cat "/proc/$pid/limits")" 'limits'
expect_eq "$(cat "/proc/$inside/oom_score_adj")" 321 'OOM score'
expect_eq "$(awk '$1 == "NSsid:" {print $2}' "/proc/$inside/status")" "$inside" 'a session of its own'
expect_eq "$(find "/proc/$inside/fd" -type l -printf '%f ' | tr ' ' '\n' | sort -n | xargs)" '0 1 2' 'descriptors'
expect_eq "$(readlink "/proc/$inside/root")" / 'root'
kill -KILL "$inside"
executing 0 -- sh -c 'cat /proc/sys/kernel/cap_last_cap >/dev/null; mount -t tmpfs x /tmp 2>/dev/null || echo no mount; hostname other 2>/dev/null || echo no name'
expect_eq "$OUT" $'no mount\nno name' 'what the container may not, exec may not'

step 'environment, directory, user, groups, capabilities, no new privileges'
executing 0 -e A=1 --env B=two -e OWN=again -- env
expect_contains "$OUT" A=1 '-e'
expect_contains "$OUT" B=two '--env'
expect_eq "$(grep -c '^OWN=' <<<"$OUT") $(grep '^OWN=' <<<"$OUT")" '1 OWN=again' 'a name given again'
executing 0 -- env
expect_contains "$OUT" OWN=container "the container's environment"
executing 0 --cwd /data -- sh -c 'pwd; cat file'
expect_eq "$OUT" $'/data\nonly here' '--cwd'
refused_exec 2 process.cwd-absent --cwd /no/such box true
[ ! -e "$W/bundle/rootfs/no" ] || fail 'exec made a directory'
executing 0 -u 1000:1001 -g 7 --additional-gids 8 -- id
expect_eq "$OUT" 'uid=1000(job) gid=1001 groups=7,8' '-u, -g'
executing 0 -u 1000 -- id
expect_eq "$OUT" 'uid=1000(job) gid=0(root)' '-u without a group'
executing 0 -u 1000 -- sh -c 'grep -E "^Cap(Prm|Eff)" /proc/self/status'
expect_eq "$OUT" $'CapPrm:\t0000000000000000\nCapEff:\t0000000000000000' 'a user has no capability'
for user in root -1 4294967295 2147483648 1000: 1000:x 1:2:3 ''' 1'; do
  refused_exec 2 exec.user -u "$user" box true
done
refused_exec 2 exec.group -g wheel box true
refused_exec 1 capabilities.refused -c CAP_SYS_ADMIN box true
refused_exec 2 oci.capability -c SYS_ADMIN box true
executing 0 -c CAP_NET_ADMIN -- grep CapBnd /proc/self/status
expect_eq "$OUT" "$(grep CapBnd "/proc/$pid/status")" "a capability that the container does not have"
last_audit '.facts.decision.findings[] | select(.rule == "exec.capabilities")' >/dev/null ||
  fail 'the dropped capability is not in the audit log'
executing 0 --no-new-privs -- grep NoNewPrivs /proc/self/status
refused_exec 2 exec.env -e novalue box true

step 'a process file, as engines give it'
process_file "$W/process.json" '.args = ["sh", "-c", "id -u; pwd; cat /proc/self/oom_score_adj; ulimit -n"] | .user.uid = 1000 | .cwd = "/tmp" | del(.rlimits)'
executing 0 --process "$W/process.json" --
expect_eq "$OUT" $'1000\n/tmp\n321\n100' 'the process file, with the limits of the container'
process_file "$W/bad.json" '.args = []'
refused_exec 2 oci.args --process "$W/bad.json" box
refused_exec 2 cli.arguments --process "$W/process.json" --cwd / box
refused_exec 2 cli.arguments --process "$W/process.json" box true
process_file "$W/armor.json" '.args = ["true"] | .apparmorProfile = "docker-default"'
refused_exec 4 oci.apparmorProfile --process "$W/armor.json" box
process_file "$W/more.json" '.args = ["sh", "-c", "ulimit -Hn"] | .rlimits = [{type: "RLIMIT_NOFILE", soft: 4096, hard: 4096}]'
executing 0 -p "$W/more.json" --
expect_eq "$OUT" 200 'no more than the limit of the container'
process_file "$W/hang.json" '.args = ["sh"] | .noNewPrivileges = false | .capabilities = {bounding: ["CAP_SYS_ADMIN"]}'
refused_exec 1 capabilities.refused -p "$W/hang.json" box

step 'refusals that engines read'
refused_exec 2 process.not-found box no-such-program
expect_contains "$ERR" 'exec: "no-such-program": executable file not found in $PATH' 'not found in PATH'
refused_exec 2 process.not-found box /no/such/program
expect_contains "$ERR" 'no such file or directory' 'not found by path'
refused_exec 2 process.permission box /data/file
expect_contains "$ERR" 'permission denied' 'not executable'
refused_exec 2 container.unknown never-was true
refused_exec 2 exec.args box
refused_exec 4 cli.apparmor --apparmor unconfined box true
refused_exec 1 process.cwd-proc --cwd /proc/self/fd/5 box true
expect_eq "$(last_audit .event)" exec.deny 'the last record'
printf 'A=\377' >"$W/bytes"
refused_exec 2 exec.utf8 -e "$(cat "$W/bytes")" box true
executing 0 -- true
expect_eq "$(last_audit '.event, .container' | xargs)" 'exec.allow box' 'the record of an exec'

step 'a paused container'
for freezer in $(awk -F: '$2 ~ /freezer|^$/ {print $3}' "/proc/$pid/cgroup" | sort -u); do
  for mount in /sys/fs/cgroup/freezer /sys/fs/cgroup/unified /sys/fs/cgroup; do
    [ ! -w "$mount$freezer/freezer.state" ] || frozen="$mount$freezer/freezer.state FROZEN THAWED"
    [ ! -w "$mount$freezer/cgroup.freeze" ] || [ -n "${frozen:-}" ] || frozen="$mount$freezer/cgroup.freeze 1 0"
  done
done
read -r file on off <<<"${frozen:?no freezer}"
echo "$on" >"$file"
refused_exec 2 container.paused box true
expect_contains "$ERR" 'cannot exec in a paused container' 'paused'
runtime exec --ignore-paused box echo late >"$W/late.out" 2>&1 </dev/null &
caller=$!
sleep 0.3
expect_eq "$(cat "$W/late.out")" '' 'nothing runs while it is paused'
echo "$off" >"$file"
wait "$caller" || fail "exec into a paused container: $(cat "$W/late.out")"
expect_eq "$(cat "$W/late.out")" late 'after it was thawed'

step 'descriptors: those of --preserve-fds and no other'
runtime exec --preserve-fds 2 box sh -c 'cat <&3; cat <&4; [ -e /proc/$$/fd/5 ] || echo no five' 3<"$W/bundle/rootfs/data/file" 4<<<' and four' 5</etc/passwd >"$W/fds" </dev/null
expect_contains "$(cat "$W/fds")" 'only here and four' 'preserved descriptors'
expect_contains "$(cat "$W/fds")" 'no five' 'a descriptor that was not to be preserved'
refused_exec 2 process.preserve-fds --preserve-fds 3 box true 3</dev/null
# None is open: what the runtime opens for itself later is not meant.
for number in 1 2 4; do refused_exec 2 process.preserve-fds --preserve-fds "$number" box true 3>&- 4>&- 5>&- 6>&-; done

step 'a terminal by console socket'
"$W/console" "$W/console.sock" "$W/console.out" &
receiver=$!
wait_until 5 test -S "$W/console.sock" || fail 'no console socket'
expect_status 0 runtime exec --tty --detach --console-socket "$W/console.sock" --pid-file "$W/tty.pid" box \
  sh -c '[ -t 0 ] && [ -t 1 ] && [ -t 2 ] && echo a terminal; tty; cat /proc/self/stat | cut -d" " -f7'
wait "$receiver" || fail 'the console socket got no terminal'
expect_contains "$(cat "$W/console.out")" 'a terminal' 'all three are a terminal'
expect_contains "$(cat "$W/console.out")" /dev/pts/ "a terminal of the container's own devpts"
refused_exec 4 console.socket --tty --detach box true
refused_exec 2 console.socket --console-socket "$W/console.sock" box true

step 'a terminal of our own: bytes, size, raw mode, exit code'
with_terminal() { script -qec "$1" /dev/null; }  # script gives the terminal
export -f with_terminal
expect_status 4 with_terminal 'stty rows 33 cols 77; runtime exec -t box sh -c "tty; stty size; exit 4"'
expect_contains "$OUT" /dev/pts/ 'a terminal'
expect_contains "$OUT" '33 77' 'its size'
OUT=$(printf 'typed\nexit\n' | timeout 20 script -qec 'before=$(stty -g); runtime exec -t box sh -c "read word; echo got \$word"; [ "$(stty -g)" = "$before" ] && echo restored' /dev/null) || fail "typing: $OUT"
expect_contains "$OUT" 'got typed' 'what was typed'
expect_contains "$OUT" restored 'the mode of the terminal afterwards'
expect_status 0 runtime exec -t box sh -c '[ -t 0 ] && echo without one of ours'
expect_contains "$OUT" 'without one of ours' 'no terminal outside'
expect_status 0 runtime exec -t box sh -c 'i=0; while [ $i -lt 3000 ]; do echo 0123456789; i=$((i+1)); done'
expect_eq "$(tr -d '\r' <<<"$OUT" | grep -c '^0123456789$')" 3000 'every line of a long output'

step 'the same for run'
busybox_bundle "$W/terminal" sh -c '[ -t 0 ] && tty; stty size; read word; echo got $word; exit 6'
jq '.process.terminal = true' "$W/terminal/config.json" >"$W/config" && mv "$W/config" "$W/terminal/config.json"
for applet in stty tty; do ln -sf busybox "$W/terminal/rootfs/bin/$applet"; done
STATUS=0
OUT=$(printf 'hello\n' | timeout 20 script -qec "stty rows 21 cols 43; runtime run --bundle $W/terminal tty-run" /dev/null) || STATUS=$?
expect_eq "$STATUS" 6 "exit code of run ($OUT)"
expect_contains "$OUT" '21 43' 'the size for run'
expect_contains "$OUT" 'got hello' 'what was typed to run'
run_status runtime run --detach --bundle "$W/terminal" tty-detached
expect_eq "$STATUS" 4 'a detached terminal without a console socket'

step 'many at once'
for number in $(seq 8); do
  runtime exec box sh -c "exit $number" </dev/null >/dev/null 2>&1 &
  callers[number]=$!
done
for number in $(seq 8); do
  STATUS=0
  wait "${callers[number]}" || STATUS=$?
  expect_eq "$STATUS" "$number" "exec $number of 8"
done

step 'a control group below the container'"'"'s own'
subgroups=()
while IFS=: read -r _ controllers path; do
  case $controllers in '') hierarchy=unified ;; name=*) hierarchy=${controllers#name=} ;; *) hierarchy=$controllers ;; esac
  if [ -d "/sys/fs/cgroup/$hierarchy$path" ]; then subgroups+=("/sys/fs/cgroup/$hierarchy$path/inner"); fi
done <"/proc/$(runtime state box | jq .pid)/cgroup"
mkdir "${subgroups[@]}"
# The v1 cpuset takes nobody before it has processors and memory.
for group in "${subgroups[@]}"; do
  for file in cpuset.cpus cpuset.mems; do
    if [ -e "$group/../tasks" ] && [ -e "$group/$file" ]; then cat "$group/../$file" >"$group/$file"; fi
  done
done
expect_status 0 runtime exec --cgroup inner box cat /proc/self/cgroup
expect_eq "$(grep -vc '/inner$' <<<"$OUT" || true)" 0 "hierarchies in which the program is elsewhere: $OUT"
expect_status 0 runtime exec --cgroup pids:inner --cgroup memory,cpu:/inner box cat /proc/self/cgroup
expect_eq "$(grep -cE ':(pids|memory|cpu):.*/inner$' <<<"$OUT")" 3 "the hierarchies that were named: $OUT"
expect_eq "$(grep -c '/inner$' <<<"$OUT")" 3 "and no other: $OUT"
refused_exec 2 cgroup.below --cgroup absent box true
refused_exec 2 cgroup.below --cgroup ../.. box true
refused_exec 2 cgroup.below --cgroup teapot:inner box true
refused_exec 2 exec.cgroup --cgroup inner --cgroup inner box true
rmdir "${subgroups[@]}"

step 'a created container takes an exec, a stopped one does not'
runtime create --bundle "$W/bundle" made >"$W/made.out" 2>&1 </dev/null || fail "create: $(cat "$W/made.out")"
expect_status 0 runtime exec made cat /data/file
expect_eq "$OUT" 'only here' 'exec in a created container'
expect_status 0 runtime delete --force made

step 'who was executed dies with the container, and is wiped with it'
runtime exec --detach --pid-file "$W/one.pid" box sh -c 'trap "" TERM HUP; sleep 600' >/dev/null 2>&1 </dev/null
STATUS=0
runtime exec box sleep 600 >/dev/null 2>&1 </dev/null &
caller=$!
wait_until 5 bash -c 'runtime exec box ps | grep -c "sleep 600" | grep -q 2' || fail 'the programs do not run'
expect_status 0 runtime kill box 9
wait_until 5 has_status box stopped || fail 'kill did not stop the container'
wait "$caller" || STATUS=$?
expect_eq "$STATUS" 137 'the exit code of an exec whose container ended'
[ ! -d "/proc/$(cat "$W/one.pid")" ] || pid_gone "$(cat "$W/one.pid")" || fail 'a program outlived its container'
refused_exec 2 container.not-running box true
expect_contains "$ERR" 'cannot exec in a stopped container' 'stopped'
expect_status 0 runtime delete box
expect_same "$W/before" 'exec'

step 'in a container of the host pid namespace, too, nobody outlives it'
mkdir -p "$W/profiles"
jq '.name = "lab" | .namespaces.required -= ["pid"] | .mode = "enforce"' "$ROOT/profiles/lab.json" >"$W/profiles/lab.json"
site_config ".paths.profiles += [\"$W/profiles\"] | .rules[1].profile = \"lab\""
jq '.linux.namespaces |= [.[] | select(.type != "pid")]' "$W/bundle/config.json" >"$W/config" && mv "$W/config" "$W/bundle/config.json"
run_status runtime create --bundle "$W/bundle" shared
if [ "$STATUS" -eq 0 ]; then
  expect_status 0 runtime start shared
  runtime exec --detach --pid-file "$W/one.pid" shared sleep 600 >/dev/null 2>&1 </dev/null
  expect_status 0 runtime delete --force shared
  pid_gone "$(cat "$W/one.pid")" || fail 'a program outlived its container'
else
  expect_contains "$ERR" 'denied [' 'the pid namespace of the host'
fi
expect_same "$W/before" 'the shared pid namespace'

step 'a user namespace and a time namespace of the container'
site_config
busybox_bundle "$W/mapped" sleep 600
chown -R 100000:100000 "$W/mapped/rootfs"
chmod 0711 "$W"
# A user namespace's own init may not set its OOM score; exec sets it with the host's rights.
jq 'del(.process.oomScoreAdj) | .process.rlimits = [{type: "RLIMIT_NOFILE", soft: 100, hard: 200}]
  | .linux.namespaces += [{type: "user"}, {type: "time"}, {type: "cgroup"}] | .linux.timeOffsets = {boottime: {secs: 100000, nanosecs: 0}}
  | .linux.uidMappings = [{containerID: 0, hostID: 100000, size: 65536}] | .linux.gidMappings = .linux.uidMappings' \
  "$W/mapped/config.json" >"$W/config" && mv "$W/config" "$W/mapped/config.json"
start mapped "$W/mapped"
pid=$(runtime state mapped | jq -er .pid)
jq '.process | .args = ["sleep", "600"] | .oomScoreAdj = 77' "$W/mapped/config.json" >"$W/process.json"
expect_status 0 runtime exec --detach --pid-file "$W/one.pid" --process "$W/process.json" mapped
inside=$(cat "$W/one.pid")
for space in pid net mnt ipc uts cgroup user time; do
  expect_eq "$(readlink "/proc/$inside/ns/$space")" "$(readlink "/proc/$pid/ns/$space")" "namespace $space"
done
[ "$(readlink /proc/self/ns/user)" != "$(readlink "/proc/$inside/ns/user")" ] || fail "the host's user namespace"
expect_eq "$(awk '$1 == "Uid:" {print $2, $3, $4, $5}' "/proc/$inside/status")" '100000 100000 100000 100000' 'ids on the host'
expect_eq "$(cat "/proc/$inside/oom_score_adj")" 77 'OOM score in a user namespace'
expect_status 0 runtime exec -u 1000:1000 mapped id
expect_eq "$OUT" 'uid=1000(job) gid=1000(job)' 'a user of the user namespace'
expect_status 0 runtime exec -t mapped sh -c '[ -t 0 ] && echo terminal'
expect_contains "$OUT" terminal 'a terminal in a user namespace'
read -r uptime _ </proc/uptime
expect_status 0 runtime exec mapped cat /proc/uptime
[ "${OUT%%.*}" -ge $((${uptime%%.*} + 100000)) ] || fail "the clock is the host's: $OUT"
expect_status 0 runtime delete --force mapped
expect_same "$W/before" 'the user namespace'

step 'a profile that allows no exec'
jq '.name = "closed" | .exec.allowed = false' "$ROOT/profiles/baseline.json" >"$W/profiles/closed.json"
site_config ".paths.profiles += [\"$W/profiles\"] | .rules[1].profile = \"closed\""
busybox_bundle "$W/closed" sleep 600
start closed "$W/closed"
refused_exec 1 exec.allowed closed true
expect_eq "$(last_audit '.event, .facts.rule' | xargs)" 'exec.deny exec.allowed' 'the audit record'
expect_status 0 runtime delete --force closed
expect_same "$W/before" 'the whole test'
