#!/usr/bin/env bash
# Hostile containers that wait for an exec, and hostile requests for one.
# shellcheck disable=SC2016  # $ belongs to shells and jq inside
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/../e2e/lib.sh"
# shellcheck source=tests/attack/attack.sh
. "$ROOT/tests/attack/attack.sh"

# box [ARG…]: $BUNDLE as container "box" with a program that waits, or ARG….
box() {
  runtime create --bundle "$BUNDLE" box >"$W/box.out" 2>"$W/box.err" </dev/null || fail "create: $(cat "$W/box.err")"
  expect_status 0 runtime start box
}
end_box() { expect_status 0 runtime delete --force box; }

leaking_exec() { run_status with_leaks runtime exec "$@"; }

# exec_refused WHAT RULE ARGUMENT…
exec_refused() {
  local what=$1 rule=$2
  shift 2
  leaking_exec "$@"
  [ "$STATUS" -ne 0 ] || fail "$what ended well: $OUT"
  [[ $ERR =~ \[($rule)\] ]] || fail "$what: expected [$rule] in: $ERR"
  expect_host_untouched "$what"
}

attack_begin
printf '#!/bin/sh\necho a program of the host ran\n' >"$W/host/program"
chmod 0755 "$W/host/program"
HOST_BEFORE=$(host_state)
loader=$(readelf -l "$RUNTIME" | sed -n 's/.*interpreter: \(.*\)\]/\1/p')

hostile waiting sh -c 'echo up; exec sleep 600'
for fd in $(seq 3 20); do
  ln -s "/proc/self/fd/$fd" "$ROOTFS/data/dir$fd"
  ln -s "/proc/self/fd/$fd/program" "$ROOTFS/data/program$fd"
done
ln -s /proc/self/exe "$ROOTFS/bin/evil"
printf '#!/proc/self/exe\n' >"$ROOTFS/bin/evil-script"
printf '#!/bin/loop-b\n' >"$ROOTFS/bin/loop-a"
printf '#!/bin/loop-a\n' >"$ROOTFS/bin/loop-b"
printf '#!/data/program7\n' >"$ROOTFS/bin/host-script"
chmod 0755 "$ROOTFS"/bin/{evil-script,loop-a,loop-b,host-script}
if [ -n "$loader" ]; then  # the image's own "loader" runs in the runtime's place
  mkdir -p "$ROOTFS$(dirname "$loader")"
  cp "$W/probe" "$ROOTFS$loader"
fi
box

step 'working directory behind a leaked descriptor (CVE-2024-21626)'
for fd in $(seq 3 20); do
  exec_refused "cwd /proc/self/fd/$fd" 'process\.cwd-proc' --cwd "/proc/self/fd/$fd" box cat secret
  exec_refused "cwd through a link to $fd" 'fs\.link|process\.cwd-absent' --cwd "/data/dir$fd" box cat secret
  exec_refused "cwd below a link to $fd" 'fs\.link|process\.cwd-absent' --cwd "/data/dir$fd/host" box cat secret
done
for cwd in //proc//self/fd/7 /./proc/self/fd/7/ /proc/thread-self/fd/7 /proc/1/cwd; do
  exec_refused "cwd $cwd" 'process\.cwd-proc' --cwd "$cwd" box cat secret
done
exec_refused 'cwd with ..' 'fs\.link|process\.cwd-proc|process\.cwd-absent' --cwd /tmp/../proc/self/fd/7 box cat secret
leaking_exec --cwd /../../../.. box sh -c 'pwd; cat secret'
expect_host_untouched 'cwd above the root'
expect_eq "$(head -1 <<<"$OUT")" / 'cwd above the root'
printf '{"args": ["cat", "secret"], "cwd": "/proc/self/fd/7", "user": {"uid": 0, "gid": 0}}' >"$W/process.json"
exec_refused 'cwd in a process file' 'process\.cwd-proc' --process "$W/process.json" box

step 'a program behind a leaked descriptor'
for fd in $(seq 3 20); do
  exec_refused "program /proc/self/fd/$fd" 'process\.args-proc' box "/proc/self/fd/$fd/program"
  exec_refused "program behind a link to $fd" 'process\.not-found|process\.permission|system\.call' box "/data/program$fd"
  exec_refused "relative program, descriptor $fd" 'process\.not-found|system\.call' box "proc/self/fd/$fd/program"
done
leaking_exec box /bin/host-script
[ "$STATUS" -ne 0 ] || fail 'an interpreter of the host ran'
[[ $OUT$ERR != *'of the host ran'* ]] || fail 'an interpreter of the host ran'

step 'descriptors: none of ours, none of the caller'
leaking_exec box /bin/probe fds
expect_eq "$OUT" $'fd 0\nfd 1\nfd 2' "open descriptors ($ERR)"
leaking_exec --preserve-fds 2 box /bin/probe fds
expect_eq "$OUT" $'fd 0\nfd 1\nfd 2\nfd 3\nfd 4' "with --preserve-fds 2 ($ERR)"

step 'the runtime cannot be overwritten through /proc/self/exe (CVE-2019-5736)'
exec_refused '/proc/self/exe' 'process\.args-proc' box /proc/self/exe
for program in evil evil-script proc/self/exe; do
  leaking_exec box "$program"
  [[ ! $OUT =~ exe-[a-z-]+\ [0-9] ]] || fail "$program: the running program was opened for writing: $OUT"
  if [ -n "$loader" ] && [ "$program" != evil-script ]; then  # the attack itself must have taken place
    expect_contains "$OUT" 'exe-truncate -30' "$program: not EROFS (exit code $STATUS, stderr: $ERR)"
  fi
  expect_host_untouched "the program, $program"
done

step 'scripts that interpret each other come to an end'
E2E_TIMEOUT=10 leaking_exec box loop-a
[[ $STATUS -ne 0 && $STATUS -ne 124 ]] || fail "a loop of interpreters: $STATUS"
[ -n "$ERR" ] || fail 'no error for a loop of interpreters'

step 'dangerous system calls are blocked for it as for the container'
leaking_exec box /bin/probe calls
expect_eq "$(wc -l <<<"$OUT")" 33 "number of attempts ($ERR)"
[[ ! $OUT =~ (^|$'\n')[a-z_-]+\ [0-9] ]] || fail "a dangerous call went through: $OUT"
end_box

step 'a process of the container finds and traces nothing of the runtime (CVE-2016-9962)'
for way in watch trace; do
  hostile "$way" /bin/probe "$way"
  box
  wait_until 10 grep -qE '^(watching|tracing)' "$W/box.out" || fail "no neighbour: $(cat "$W/box.err")"
  for _ in $(seq 15); do
    run_status runtime exec box sleep 0.05
    expect_eq "$STATUS" 0 "an exec beside $way ($ERR)"
  done
  end_box
  [[ $(cat "$W/box.out") != *exe-overwritten* ]] || fail 'the container overwrote a program'
  [[ $(cat "$W/box.out") != *traced-foreign* ]] ||
    fail "a process was traced before it was the image's: $(grep traced-foreign "$W/box.out" | head -3)"
  # /proc/PID/root and cwd of the image's own program are open to its neighbours; descriptors are not there.
  [[ ! $(cat "$W/box.out") =~ /fd/[0-9] ]] || fail "descriptors were open: $(grep /fd/ "$W/box.out" | head -3)"
  expect_host_untouched "$way"
done
grep -q traced-own "$W/box.out" || fail 'the attack did not take place: nothing was traced'

step 'variables that load code, under a profile that denies them'
mkdir -p "$W/profiles"
jq --argjson denied "$(jq '.env.denied' "$ROOT/profiles/restricted.json")" '.name = "strict" | .env.denied = $denied | .process.terminal = false' \
  "$ROOT/profiles/baseline.json" >"$W/profiles/strict.json"
site_config ".paths.profiles += [\"$W/profiles\"] | .rules[1].profile = \"strict\""
hostile strict sleep 600
box
for variable in LD_PRELOAD=/evil.so LD_AUDIT=/evil.so LD_LIBRARY_PATH=/ GCONV_PATH=/ BASH_ENV=/evil ENV=/evil \
  NVIDIA_VISIBLE_DEVICES=all GLIBC_TUNABLES=x; do
  exec_refused "variable $variable" 'env\.denied' -e "$variable" box true
done
exec_refused 'a control character' 'env\.control-characters' -e $'A=b\nc' box true
exec_refused 'a terminal' 'process\.terminal' -t box true
end_box

step 'a container that may mount replaces its /proc, /dev and working directory'
jq '.name = "mounting" | .capabilities.ceiling += ["CAP_SYS_ADMIN"] | .capabilities.refuse -= ["CAP_SYS_ADMIN"]
  | .seccomp.deny -= ["mount", "umount2"]' "$ROOT/profiles/baseline.json" >"$W/profiles/mounting.json"
site_config ".paths.profiles += [\"$W/profiles\"] | .rules[1].profile = \"mounting\""
hostile mounting sh -c 'mount -t tmpfs none /dev/pts && cp /fake/ptmx /dev/pts/ptmx && mount -o bind /fake /proc && mount -t tmpfs none /data && echo replaced; exec sleep 600'
ln -sf busybox "$ROOTFS/bin/cp"
mkdir -p "$ROOTFS/fake/self/attr" "$ROOTFS/fake/self/fd" "$ROOTFS/fake/sys/kernel"
for file in ptmx self/attr/exec self/status self/oom_score_adj self/coredump_filter; do printf 'marker\n' >"$ROOTFS/fake/$file"; done
ln -s self "$ROOTFS/fake/thread-self"
reconfigure '.process.capabilities |= (.bounding += ["CAP_SYS_ADMIN"] | .effective = .bounding | .permitted = .bounding)'
box
wait_until 10 grep -q replaced "$W/box.out" || fail "nothing was replaced: $(cat "$W/box.err")"
pid=$(runtime state box | jq -er .pid)
leaking_exec --detach --pid-file "$W/pid" box sleep 600
expect_eq "$STATUS" 0 "an exec beside a false /proc ($ERR)"
expect_eq "$(cat "/proc/$(cat "$W/pid")/oom_score_adj")" "$(cat "/proc/$pid/oom_score_adj")" 'the true OOM score'
expect_eq "$(cat "$ROOTFS"/fake/{ptmx,self/attr/exec,self/status,self/oom_score_adj} | sort -u)" marker 'the false files'
exec_refused 'a terminal of a false devpts' 'console\.ptmx|system\.call' -t box true
end_box
hostile pts-link sleep 600
reconfigure '.mounts |= [.[] | select(.destination | startswith("/dev") | not)]'
mkdir -p "$ROOTFS/dev/pts"
ln -s "$W/host/ptmx" "$ROOTFS/dev/pts/ptmx"
run_status runtime create --bundle "$BUNDLE" box
if [ "$STATUS" -eq 0 ]; then
  expect_status 0 runtime start box
  exec_refused 'a terminal behind a link' 'console\.ptmx|system\.call|fs\.link' -t box true
  end_box
fi
expect_host_untouched 'all attacks'
site_config
find "$W/state/seccomp" -type f -newer "$W/before" -delete  # the filters of the profiles made here
expect_same "$W/before" 'all attacks'
