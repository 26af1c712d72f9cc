#!/usr/bin/env bash
# Broken texts wherever the command line reads one: config.json, exec --process, update --resources, and
# the files of a container. Each is refused by its rule, in one line that names the JSON pointer or the
# file; no program crashes or hangs, and nothing is left behind. (What well-formed configurations must
# not ask for: tests/attack/request.sh.)
# shellcheck disable=SC2016  # jq's variables, not the shell's
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

# What is no strict JSON, or not of the size and kind that anyone reads: files in $W/texts.
make_texts() {
  local big
  mkdir -p "$W/texts"
  (
    cd "$W/texts"
    printf '' >empty
    printf '{"a": [1, 2' >truncated
    printf '\x7fELF\x02\x01\x01' >program
    printf '\xef\xbb\xbf{}' >byte-order-mark
    printf '{"a": "\xff\xfe"}' >no-utf8
    printf '{"a": 1}\0' >nul
    printf '{"a": "\\u0000"}' >escaped-nul
    printf '{"a": "\\ud800"}' >half-a-character
    printf '{"a": 1, "a": 2}' >twice
    printf '{"a": {"b": {"c": 1, "c": 1}}}' >twice-inside
    printf '{} {}' >trailing
    printf '{} // why' >comment
    printf '{"a": 1,}' >comma
    printf "{'a': 1}" >quotes
    printf '{"a": 1e999}' >infinite
    printf '{"a": NaN}' >no-number
    printf '{"a\x1b[2J\x01": \x1b}' >escape
    printf '[]' >list
    printf 'null' >null
    printf '"{}"' >text
    big=$(printf '[%.0s' {1..100000})
    printf '%s' "$big" >deep
    printf '{"a": %s' "$big" >deep-inside
    head -c 20000000 /dev/zero | tr '\0' ' ' >huge
  )
}

# refused WHAT RULE TEXT COMMAND…: exit code of a refusal, and one line with rule and text.
refused() {
  local what=$1 rule=$2 text=$3
  shift 3
  run_status "$@"
  [[ $STATUS -ge 1 && $STATUS -le 4 ]] || fail "$what: exit code $STATUS (stderr: $ERR)"
  expect_eq "$(wc -l <"$W/err")" 1 "lines on stderr of $what ($ERR)"
  [[ $ERR =~ \[($rule)\] ]] || fail "$what: expected [$rule] in: $ERR"
  [[ $ERR != *[$'\x01'-$'\x1f']* ]] || fail "$what: control characters on the terminal"
  expect_contains "$ERR" "$text" "$what"
}

# confused FILE FILTER: for each value of the JSON file (of a list the first one), a line with its pointer
# and the file's text with another type in its place.
confused() {
  jq -c "$2"' | . as $all | paths | select(all(.[]; type == "string" or . == 0)) | . as $path |
    ("/" + (map(tostring | gsub("~"; "~0") | gsub("/"; "~1")) | join("/"))) as $pointer |
    [$pointer, ($all | setpath($path; getpath($path) | if type == "string" then [7] else "x" end) | tojson)]' "$1"
}

# each_confused GOOD BAD PREFIX COMMAND…: the command, which reads BAD, refuses each; PREFIX and the value's
# pointer stand in the error.
each_confused() {
  local good=$1 bad=$2 prefix=$3 line pointer
  shift 3
  while IFS= read -r line; do
    jq -r '.[1]' <<<"$line" >"$bad"
    pointer=$(jq -r '.[0]' <<<"$line")
    refused "${good##*/}: $pointer of another type" '(json|oci)\.[a-z-]+' "$prefix$pointer" "$@"
  done < <(confused "$good" .)
}

e2e_begin
require_casemate
make_texts
mkdir -p "$W/profiles"
jq '.name = "bounded" | .resources.pids_max = 200' "$ROOT/profiles/baseline.json" >"$W/profiles/bounded.json"
write_host_config '.paths.profiles += ["'"$W"'/profiles"] | .rules = [{job: false, profile: "bounded"}, {deny: true}]'
mapfile -t CALL < <(printf '%s\n' "$RUNTIME"; runtime_arguments)  # without a shell of its own each time
busybox_bundle "$W/bundle" sh -c 'echo up; exec sleep 600'
jq '.process.rlimits = [{type: "RLIMIT_NOFILE", soft: 100, hard: 200}] | .linux.sysctl = {"net.ipv4.ip_unprivileged_port_start": "0"} |
  .linux.resources.memory = {limit: 134217728} | .linux.resources.cpu = {shares: 512, cpus: "0"} |
  .linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW", architectures: ["SCMP_ARCH_X86_64"],
    syscalls: [{names: ["acct"], action: "SCMP_ACT_ERRNO", errnoRet: 1, args: [{index: 0, value: 1, op: "SCMP_CMP_EQ"}]}]}' \
  "$W/bundle/config.json" >"$W/good.json"
cp "$W/good.json" "$W/bundle/config.json"
runtime create --bundle "$W/bundle" box >"$W/box.out" 2>"$W/box.err" </dev/null || fail "create: $(cat "$W/box.err")"
expect_status 0 runtime start box
wait_until 5 grep -q up "$W/box.out" || fail 'the container did not start'
# These make what stays as long as the container: the seccomp cache, its lock.
expect_status 0 "${CALL[@]}" exec box true
expect_status 0 "${CALL[@]}" update --pids-limit 100 box
snapshot "$W/before"

step 'config.json that is no JSON'
mkdir "$W/bad"
ln -s "$W/bundle/rootfs" "$W/bad/rootfs"
for text in "$W"/texts/*; do
  cp "$text" "$W/bad/config.json"
  refused "config.json: ${text##*/}" '(json\.[a-z-]+|host\.file-size)' '' "${CALL[@]}" run --bundle "$W/bad" bad
done
rm "$W/bad/config.json"
refused 'no config.json' 'bundle\.config' config.json "${CALL[@]}" run --bundle "$W/bad" bad
mkdir "$W/bad/config.json"
refused 'a folder as config.json' 'host\.file-kind' config.json "${CALL[@]}" run --bundle "$W/bad" bad
rmdir "$W/bad/config.json"
mkfifo "$W/bad/config.json"
refused 'a pipe as config.json' 'host\.file-kind' config.json "${CALL[@]}" run --bundle "$W/bad" bad
rm "$W/bad/config.json"

step 'config.json with values of another type'
each_confused "$W/good.json" "$W/bad/config.json" '(at ' "${CALL[@]}" run --bundle "$W/bad" bad

step 'config.json without what must be there, or with numbers out of range'
while read -r pointer filter; do
  jq "$filter" "$W/good.json" >"$W/bad/config.json"
  refused "$filter" '(json|oci)\.[a-z-]+' "(at $pointer" "${CALL[@]}" run --bundle "$W/bad" bad
done <<'END'
/ociVersion del(.ociVersion)
/root del(.root)
/root/path del(.root.path)
/process/args del(.process.args)
/process/cwd del(.process.cwd)
/process/rlimits/0/type del(.process.rlimits[0].type)
/mounts/0/destination del(.mounts[0].destination)
/linux/namespaces/0/type del(.linux.namespaces[0].type)
/linux/resources/devices/0/allow del(.linux.resources.devices[0].allow)
/linux/seccomp/defaultAction del(.linux.seccomp.defaultAction)
/linux/seccomp/syscalls/0/names del(.linux.seccomp.syscalls[0].names)
/process/rlimits/0/hard .process.rlimits[0].hard=-1
/process/rlimits/0/soft .process.rlimits[0].soft=0.5
/process/oomScoreAdj .process.oomScoreAdj=1e300
/linux/resources/memory/limit .linux.resources.memory.limit=1e300
/linux/resources/pids/limit .linux.resources.pids.limit=0.1
/linux/resources/cpu/shares .linux.resources.cpu.shares=-5
/linux/resources/devices/1/major .linux.resources.devices[1].major="1"
/linux/seccomp/syscalls/0/args/0/index .linux.seccomp.syscalls[0].args[0].index=-1
END
expect_same "$W/before" 'broken configurations'

step 'exec --process'
jq -c .process "$W/good.json" >"$W/process.json"
for text in "$W"/texts/*; do
  refused "process.json: ${text##*/}" '(json\.[a-z-]+|host\.file-size)' '' "${CALL[@]}" exec --process "$text" box
done
mkfifo "$W/pipe"
refused 'a pipe as process.json' 'host\.file-kind' pipe "${CALL[@]}" exec --process "$W/pipe" box
refused 'no process.json' 'system\.call' absent "${CALL[@]}" exec --process "$W/absent" box
each_confused "$W/process.json" "$W/bad.json" '' "${CALL[@]}" exec --process "$W/bad.json" box

step 'update --resources'
update() { runtime update --resources - box <"$1"; }
export -f update
for text in "$W"/texts/*; do
  refused "resources: ${text##*/}" '(json\.[a-z-]+|update\.resources|host\.file-size)' '' update "$text"
done
jq -c .linux.resources "$W/good.json" >"$W/resources.json"
each_confused "$W/resources.json" "$W/bad.json" '(at /linux/resources' update "$W/bad.json"
expect_status 0 "${CALL[@]}" exec box true
expect_same "$W/before" 'broken texts for a running container'

# --- the files of a container, as a failing disk or a careless administrator leaves them
declare -A READER=([state.json]='state box' [plan.json]='update --pids-limit 100 box' [journal]='state box'
  [holds.json]='ps box')

# unharmed WHAT COMMAND…: every command ends by itself, with at most one line of complaint.
unharmed() {
  local command
  for command in "${@:2}"; do
    # shellcheck disable=SC2086
    run_status "${CALL[@]}" $command
    [ "$STATUS" -le 4 ] || fail "$command with $1: exit code $STATUS (stderr: $ERR)"
    [ "$(wc -l <"$W/err")" -le 1 ] || fail "$command with $1: $ERR"
  done
}

# damaged FILE WHAT RULE: the command that needs the file names it; the others live.
damaged() {
  # shellcheck disable=SC2086
  refused "$1: $2" "$3" "$1" "${CALL[@]}" ${READER[$1]}
  unharmed "$1: $2" 'state box' 'kill box CONT' 'exec box true' list 'delete box'
}

home=$(echo "$W"/state/*/box)
for file in state.json plan.json journal holds.json; do
  step "$file"
  cp -a "$home/$file" "$W/kept"
  for text in empty truncated twice list deep huge; do
    { cat "$W/texts/$text"; echo; } >"$home/$file"
    damaged "$file" "$text" '(json\.[a-z-]+|host\.file-size|journal\.broken|plan\.[a-z]+)'
  done
  ln -sfn "$W/kept" "$home/$file"
  damaged "$file" 'a link' 'system\.call'
  cp -a --remove-destination "$W/kept" "$home/$file"
  chown 1000 "$home/$file"
  damaged "$file" "another user's" 'host\.file-owner'
  chown 0 "$home/$file"
  chmod 0666 "$home/$file"
  damaged "$file" 'writable by all' 'host\.file-owner'
  cp -a --remove-destination "$W/kept" "$home/$file"
done

step 'members of another type'
for file in state.json holds.json; do
  cp -a "$home/$file" "$W/kept"
  while IFS= read -r line; do
    jq -r '.[1]' <<<"$line" >"$home/$file"
    unharmed "$file: $(jq -r '.[0]' <<<"$line") of another type" 'state box' 'exec box true' 'update --pids-limit 100 box'
  done < <(confused "$W/kept" .)
  cp -a --remove-destination "$W/kept" "$home/$file"
done
expect_status 0 "${CALL[@]}" exec box true
expect_same "$W/before" 'damaged files'

step 'with its warden alive a container ends whatever its files say'
expect_status 0 "${CALL[@]}" delete --force box
snapshot "$W/before"
for file in state.json plan.json journal holds.json; do
  expect_status 0 "${CALL[@]}" create --bundle "$W/bundle" "end-$file"
  printf 'damaged\n' >"$(echo "$W"/state/*/"end-$file")/$file"
  run_status "${CALL[@]}" delete --force "end-$file"
  expect_eq "$STATUS" 0 "exit code of delete with a damaged $file (stderr: $ERR)"
  expect_same "$W/before" "a container with a damaged $file"
done
