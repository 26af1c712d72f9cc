# shellcheck shell=bash
# shellcheck disable=SC2016  # jq's variables, not the shell's
# What the attack tests share: a host worth attacking, hostile bundles, and the oracles. Sourced after
# tests/e2e/lib.sh.
ATTACK_DIR=$ROOT/tests/attack
declare -A EXIT_CODE=([denied]=1 [bad_input]=2 [unsupported]=4)
declare -A CLASS_WORDS=([denied]=denied [bad_input]='bad input' [unsupported]='not supported')
NUMBER=0

# attack_begin: the host's side ($W/host, whose content no container may read or change), a copy of the
# programs to be overwritten instead of the build, and what the first container leaves.
attack_begin() {
  e2e_begin
  require_casemate
  cp -a -- "$BIN" "$W/bin"
  export RUNTIME=$W/bin/casemate
  write_host_config
  SECRET=secret-$(openssl rand -hex 12)
  mkdir -p "$W/host/inner"
  printf '%s\n' "$SECRET" >"$W/host/secret"
  for name in ptmx null zero console canary; do printf 'marker\n' >"$W/host/$name"; done
  build_probe
  busybox_bundle "$W/plain" true
  expect_status 0 runtime run --bundle "$W/plain" warm
  HOST_BEFORE=$(host_state)
  snapshot "$W/before"
}

# Freestanding: it also has to start as somebody else's dynamic loader.
build_probe() {
  gcc -O1 -Wall -Wextra -nostdlib -static -no-pie -fno-pie -fno-stack-protector -ffreestanding -fno-builtin \
    -o "$W/probe" "$ATTACK_DIR/probe.c"
}

# What an attack could change on the host: names, kinds, sizes, times and content below $W/host, the
# programs themselves, and the kernel's settings that attacks aim at.
host_state() {
  find "$W/host" "$W/bin" -printf '%p %y %m %U:%G %s %T@ %l\n' | sort
  find "$W/host" "$W/bin" -type f -exec sha256sum {} + | sort
  grep -H . /proc/sys/kernel/{core_pattern,hostname} /proc/sys/fs/protected_symlinks
}

expect_host_untouched() {  # WHAT
  local now
  now=$(host_state)
  [ "$now" = "$HOST_BEFORE" ] ||
    fail "$1 changed the host: $(diff <(printf '%s' "$HOST_BEFORE") <(printf '%s' "$now") | head -5)"
  [[ $OUT$ERR != *"$SECRET"* ]] || fail "$1 read the host's secret"
}

# hostile NAME [ARG…]: a new bundle $BUNDLE with its root file system $ROOTFS, holding the probe.
hostile() {
  BUNDLE=$W/$1
  ROOTFS=$BUNDLE/rootfs
  shift
  [ "$#" -gt 0 ] || set -- true
  rm -rf -- "$BUNDLE"
  busybox_bundle "$BUNDLE" "$@"
  cp "$W/probe" "$ROOTFS/bin/probe"
}

reconfigure() {  # JQ_OPTIONS… JQ_FILTER: changes $BUNDLE's config.json
  edit_config "$BUNDLE" "$@"
}

attack() {  # runs $BUNDLE; the outcome is in $STATUS, $OUT, $ERR
  NUMBER=$((NUMBER + 1))
  run_status runtime run --bundle "$BUNDLE" "attack-$NUMBER"
}

# refused WHAT CLASS RULE: $BUNDLE is refused by that rule (an extended regular expression), in one
# line, and host and system are as before.
refused() {
  local what=$1 class=$2 rule=$3
  step "$what"
  attack
  expect_eq "$STATUS" "${EXIT_CODE[$class]}" "exit code of $what (stdout: $OUT; stderr: $ERR)"
  expect_eq "$(wc -l <"$W/err")" 1 "lines on stderr ($what: $ERR)"
  [[ $ERR =~ ${CLASS_WORDS[$class]}\ \[($rule)\] ]] || fail "$what: expected '$class [$rule]' in: $ERR"
  expect_host_untouched "$what"
}

# contained WHAT [RULE]: $BUNDLE runs, or is refused by that rule; either way the host is untouched.
contained() {
  local what=$1 rule=${2:-}
  step "$what"
  attack
  if [ "$STATUS" -ne 0 ]; then
    [[ -n $rule && $ERR =~ \[($rule)\] ]] || fail "$what: exit code $STATUS, stderr: $ERR"
  fi
  expect_host_untouched "$what"
}

# with_leaks COMMAND…: with descriptors 3 to 20 open on the host's folders, as a careless engine has them.
with_leaks() {
  local fd
  for fd in 3 4 5 6 7 8 9; do eval "exec $fd<\"$W/host\""; done
  for fd in 10 11 12 13 14 15 16 17 18 19 20; do eval "exec $fd</"; done
  "$@"
}
export -f with_leaks

# start_attack NAME: $BUNDLE in the background, its output in $W/NAME.out, its caller in $CALLER.
start_attack() {
  runtime run --bundle "$BUNDLE" "$1" >"$W/$1.out" 2>"$W/$1.err" </dev/null &
  CALLER=$!
}

end_attack() {  # NAME
  expect_status 0 runtime delete --force "$1"
  wait "$CALLER" || true
}
