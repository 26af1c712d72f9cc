#!/usr/bin/env bash
# Hostile programs and their settings: descriptors, /proc/self/exe, capabilities, environment, calls.
# shellcheck disable=SC2016  # jq's variables, not the shell's
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/../e2e/lib.sh"
# shellcheck source=tests/attack/attack.sh
. "$ROOT/tests/attack/attack.sh"

attack_leaking() {
  NUMBER=$((NUMBER + 1))
  run_status with_leaks runtime run --bundle "$BUNDLE" "leaking-$NUMBER"
}

# not_led_out WHAT: $BUNDLE is refused, or finds nothing; the host's secret and program stay outside.
not_led_out() {
  attack_leaking
  [ "$STATUS" -ne 0 ] || fail "$1 ended well: $OUT"
  [[ $OUT$ERR != *'of the host ran'* ]] || fail "$1 ran a program of the host"
  expect_host_untouched "$1"
}

attack_begin
printf '#!/bin/sh\necho a program of the host ran\n' >"$W/host/program"
chmod 0755 "$W/host/program"
HOST_BEFORE=$(host_state)

step 'working directory behind a leaked descriptor (CVE-2024-21626)'
for fd in $(seq 3 20); do
  hostile cwd cat secret host/secret
  reconfigure --arg cwd "/proc/self/fd/$fd" '.process.cwd = $cwd'
  not_led_out "cwd /proc/self/fd/$fd"
  expect_contains "$ERR" '[process.cwd-proc]' 'the refusal'
done
for cwd in //proc//self/fd/7 /./proc/self/fd/7/ /proc/thread-self/fd/7 /proc/1/cwd; do
  hostile cwd cat secret
  reconfigure --arg cwd "$cwd" '.process.cwd = $cwd'
  not_led_out "cwd $cwd"
  expect_contains "$ERR" '[process.cwd-proc]' 'the refusal'
done
hostile cwd cat secret
reconfigure '.process.cwd = "/tmp/../proc/self/fd/7"'
not_led_out 'cwd with ..'
[[ $ERR =~ \[(fs\.dotdot|oci\.cwd|process\.cwd-proc)\] ]] || fail "cwd with ..: $ERR"
for fd in $(seq 3 20); do
  hostile cwd-link cat secret
  ln -s "/proc/self/fd/$fd" "$ROOTFS/work"
  reconfigure '.process.cwd = "/work"'
  not_led_out "cwd through a link to descriptor $fd"
  [[ $ERR =~ \[fs\.(link|dangling)\] ]] || fail "cwd through a link to descriptor $fd: $ERR"
done

step 'a program behind a leaked descriptor'
for fd in $(seq 3 20); do
  hostile args "/proc/self/fd/$fd/program"
  not_led_out "args[0] /proc/self/fd/$fd"
  expect_contains "$ERR" '[process.args-proc]' 'the refusal'
  for target in "/proc/self/fd/$fd/program" "/proc/1/fd/$fd/program" "/proc/self/fd/$fd$W/host/program"; do
    hostile args-link /bin/steal
    ln -s "$target" "$ROOTFS/bin/steal"
    not_led_out "args[0] through a link to $target"
  done
  hostile args-relative "proc/self/fd/$fd/program"
  not_led_out "relative args[0], descriptor $fd"
done

step 'descriptors inside: 0, 1, 2 and no other'
hostile fds /bin/probe fds
attack_leaking
expect_eq "$STATUS $OUT" $'0 fd 0\nfd 1\nfd 2' "open descriptors (stderr: $ERR)"

step 'the runtime cannot be overwritten through /proc/self/exe (CVE-2019-5736)'
hostile exe /proc/self/exe
refused 'args[0] /proc/self/exe' denied 'process\.args-proc'
loader=$(readelf -l "$RUNTIME" | sed -n 's/.*interpreter: \(.*\)\]/\1/p')
for way in link script relative; do
  hostile "exe-$way" /bin/evil
  if [ -n "$loader" ]; then  # the image's own "loader" runs in the runtime's place
    mkdir -p "$ROOTFS$(dirname "$loader")"
    cp "$W/probe" "$ROOTFS$loader"
  fi
  case $way in
    link) ln -s /proc/self/exe "$ROOTFS/bin/evil" ;;
    script) printf '#!/proc/self/exe\n' >"$ROOTFS/bin/evil"; chmod 0755 "$ROOTFS/bin/evil" ;;
    relative) reconfigure '.process.args = ["proc/self/exe"]' ;;
  esac
  attack
  [[ ! $OUT =~ exe-[a-z-]+\ [0-9] ]] || fail "$way: the running program was opened for writing: $OUT"
  if [ -n "$loader" ] && [ "$way" != script ]; then  # the attack itself must have taken place
    # Plain O_WRONLY finds the program busy first.
    expect_contains "$OUT" 'exe-truncate -30' "$way: not EROFS (exit code $STATUS, stderr: $ERR)"
  fi
  expect_host_untouched "the program, $way"
done

step 'a neighbour in the same pid namespace finds nothing of the runtime (CVE-2016-9962)'
hostile neighbour /bin/probe watch
start_attack neighbour
wait_until 10 grep -q watching "$W/neighbour.out" || fail "no neighbour: $(cat "$W/neighbour.err")"
space=/proc/$(runtime state neighbour | jq -er .pid)/ns/pid
hostile joined sh -c 'exec sleep 0.05'
reconfigure --arg space "$space" '.linux.namespaces |= [.[] | select(.type == "pid").path = $space]'
refused 'the pid namespace of another container' denied 'namespaces\.join'
# A site that allows it, to see that the runtime does not rely on the refusal.
mkdir -p "$W/profiles"
jq '.name = "joining" | .namespaces.join += ["pid"]' "$ROOT/profiles/baseline.json" >"$W/profiles/joining.json"
site_config ".paths.profiles += [\"$W/profiles\"] | .rules[1].profile = \"joining\""
for _ in $(seq 15); do
  attack
  expect_eq "$STATUS" 0 "a container in the neighbour's pid namespace (stderr: $ERR)"
done
end_attack neighbour
site_config
[[ $(cat "$W/neighbour.out") != *exe-overwritten* ]] || fail 'the neighbour overwrote a program'
[[ ! $(cat "$W/neighbour.out") =~ /fd/[0-9] ]] || fail "descriptors were open to it: $(grep /fd/ "$W/neighbour.out" | head -3)"
expect_host_untouched 'the neighbour'

step 'nor does one whose user namespace is joined as well, with the right to trace'
jq '.name = "tracing" | .namespaces.join += ["pid", "user"] | .capabilities.ceiling += ["CAP_SYS_PTRACE"] | .capabilities.refuse -= ["CAP_SYS_PTRACE"]' \
  "$ROOT/profiles/baseline.json" >"$W/profiles/tracing.json"
site_config ".paths.profiles += [\"$W/profiles\"] | .rules[1].profile = \"tracing\""
chmod 0711 "$W"
for way in watch trace; do
  hostile neighbour /bin/probe "$way"
  chown -hR 100000:100000 "$ROOTFS"
  reconfigure '.linux.namespaces += [{type: "user"}] | .linux.uidMappings = [{containerID: 0, hostID: 100000, size: 65536}]
    | .linux.gidMappings = .linux.uidMappings | .process.capabilities[] += ["CAP_SYS_PTRACE"]'
  start_attack neighbour
  wait_until 10 grep -qE '^(watching|tracing)' "$W/neighbour.out" || fail "no neighbour: $(cat "$W/neighbour.err")"
  pid=$(runtime state neighbour | jq -er .pid)
  hostile joined sh -c 'exec sleep 0.05'
  chown -hR 100000:100000 "$ROOTFS"
  reconfigure --arg pid "$pid" '.linux.namespaces |= [.[] | select(.type == "pid").path = "/proc/\($pid)/ns/pid"] + [{type: "user", path: "/proc/\($pid)/ns/user"}]'
  for _ in $(seq 15); do
    attack
    expect_eq "$STATUS" 0 "a container in the user namespace of one that does $way (stderr: $ERR)"
  done
  end_attack neighbour
  [[ $(cat "$W/neighbour.out") != *exe-overwritten* ]] || fail 'the neighbour overwrote a program'
  [[ $(cat "$W/neighbour.out") != *traced-foreign* ]] || fail "the runtime was traced: $(grep traced-foreign "$W/neighbour.out" | head -3)"
  [[ ! $(cat "$W/neighbour.out") =~ /fd/[0-9] ]] || fail "descriptors were open to it: $(grep /fd/ "$W/neighbour.out" | head -3)"
  expect_host_untouched "the neighbour that does $way"
done
grep -q traced-own "$W/neighbour.out" || fail 'the attack did not take place: nothing was traced'
site_config

step 'capabilities: nothing inheritable or ambient, nothing beyond the profile (CVE-2022-24769)'
hostile caps grep -E '^(Cap|Groups|Seccomp:)' /proc/self/status
reconfigure '.process.capabilities |= (.inheritable = .bounding | .bounding += ["CAP_MKNOD"])'
attack
expect_eq "$STATUS" 0 "the run (stderr: $ERR)"
expect_contains "$OUT" $'CapInh:\t0000000000000000' 'inheritable'
expect_contains "$OUT" $'CapAmb:\t0000000000000000' 'ambient'
expect_contains "$OUT" $'Seccomp:\t2' 'the filter'
bounding=$((0x$(sed -n 's/^CapBnd:\t//p' <<<"$OUT")))
for bit in 12 16 17 19 21 27 39; do  # NET_ADMIN MODULE RAWIO PTRACE ADMIN MKNOD BPF
  [ $((bounding >> bit & 1)) -eq 0 ] || fail "capability $bit is in the bounding set: $OUT"
done
hostile user sh -c 'grep -E "^(Uid|Gid|Groups|CapEff|CapPrm|CapAmb)" /proc/self/status'
reconfigure '.process.user = {uid: 1000, gid: 1000, additionalGids: [1001]}'
attack
expect_eq "$STATUS" 0 "the run as a user (stderr: $ERR)"
expect_contains "$OUT" $'Uid:\t1000\t1000\t1000\t1000' 'uid'
expect_contains "$OUT" $'Groups:\t1001 ' 'groups'
for set in CapEff CapPrm CapAmb; do expect_contains "$OUT" "$set:"$'\t0000000000000000' 'a user has no capability'; done

step 'hooks see neither the image nor the caller in their environment (CVE-2025-23266)'
# Its environment before the shell adds to it.
printf '#!/bin/sh\n{ tr "\\0" "\\n" </proc/self/environ; pwd -P; echo end; } >>%s\n' "$W/hooks.log" >"$W/hook"
chmod 0755 "$W/hook"
site_config ".hooks += [{path: \"$W/hook\"}]"
hostile hooks true
printf 'evil' >"$ROOTFS/evil.so"
reconfigure --arg hook "$W/hook" '.process.env += ["LD_PRELOAD=/proc/self/cwd/evil.so", "LD_LIBRARY_PATH=/", "BASH_ENV=/evil",
  "ENV=/evil", "GCONV_PATH=/", "IMAGE=1"] | .hooks = {prestart: [{path: $hook}], createRuntime: [{path: $hook}], createContainer: [{path: $hook}]}'
CALLER_SAYS=hello attack
expect_eq "$STATUS" 0 "the run with hooks (stderr: $ERR)"
expect_eq "$(grep -c '^end$' "$W/hooks.log")" 3 'hooks that ran'
[ -z "$(grep '=' "$W/hooks.log" || true)" ] || fail "hooks have an environment: $(cat "$W/hooks.log")"
[[ $(cat "$W/hooks.log") != *rootfs* ]] || fail "a hook works in the container's root: $(cat "$W/hooks.log")"
for variable in LD_PRELOAD=/evil.so LD_AUDIT=/evil.so BASH_ENV=/evil GCONV_PATH=/evil; do
  reconfigure --arg variable "$variable" '.hooks.createRuntime[0].env = [$variable]'
  refused "a hook with $variable" denied 'hooks\.env'
done
hostile image-hook true
cp "$W/hook" "$ROOTFS/bin/hook"
for hook in "$ROOTFS/bin/hook" /bin/sh /proc/self/exe "$W/hook/../hook"; do
  reconfigure --arg hook "$hook" '.hooks = {createRuntime: [{path: $hook, args: ["hook", "-c", "true"]}]}'
  step "hook $hook is not on the host's list"
  attack
  [[ $STATUS -ne 0 && $ERR =~ \[(hooks\.not-listed|oci\.hook-path|host\.path|system\.call)\] ]] || fail "hook $hook: $STATUS $ERR"
done
site_config

step 'dangerous system calls are blocked by the profile alone (the container asks for no filter)'
hostile calls /bin/probe calls
attack
expect_eq "$STATUS" 0 "the probe (stderr: $ERR)"
expect_eq "$(wc -l <<<"$OUT")" 33 'number of attempts'
while read -r name result; do
  case $name in
    io_uring_setup | clone3) wanted='-38' ;;       # ENOSYS: hidden
    open-core-pattern) wanted='-30' ;;             # EROFS
    open-sysrq) [ "$result" = -2 ] && wanted='-2' || wanted='-30' ;;  # not in every kernel
    *) wanted='-1' ;;                              # EPERM
  esac
  expect_eq "$result" "$wanted" "$name"
done <<<"$OUT"

step 'and so are the system calls of foreign ABIs'
hostile foreign /bin/probe foreign
attack
[[ ! $OUT =~ (int80|x32)[a-z0-9-]*\ [0-9] ]] || fail "a foreign call went through: $OUT"
expect_eq "$(wc -l <<<"$OUT")" 3 "attempts or kills ($OUT, exit code $STATUS, stderr: $ERR)"

step 'sockets and state: nothing abstract, nothing for others'
hostile sleeper sh -c 'echo up; exec sleep 600'
start_attack sleeper
wait_until 10 grep -q up "$W/sleeper.out" || fail "no sleeper: $(cat "$W/sleeper.err")"
[ -z "$(grep ' @' /proc/net/unix || true)" ] || fail "abstract sockets: $(grep ' @' /proc/net/unix)"
found=$(find "$W/state" "$W/root" -mindepth 1 \( -perm /077 -o ! -uid 0 \) -printf '%p %m %U\n')
[ -z "$found" ] || fail "open to others: $found"
found=$(find "$W/data/audit" "$W/data/keys" -perm /077 ! -name '*.pub' -printf '%p %m\n')
[ -z "$found" ] || fail "evidence open to others: $found"
expect_eq "$(find "$W/state" -type s -printf '%m %U\n' | sort -u)" '600 0' 'control sockets'
end_attack sleeper
expect_same "$W/before" 'all attacks'
