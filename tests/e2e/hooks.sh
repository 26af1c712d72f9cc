#!/usr/bin/env bash
# The six kinds of OCI hooks: when each runs, where, what it is told, and what its failure means.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

HOST_SHELL=$(readlink -f /bin/sh)
ALL='prestart:creating createRuntime:creating createContainer:creating startContainer:created'
ALL="$ALL poststart:running poststop:stopped"

# hooked JQ_FILTER: the bundle with these hooks. `host(words; script)` is a program of the host that
# runs the script, `told` a script that notes the phase and the status that stdin tells.
hooked() {
  jq --arg w "$W" --arg sh "$HOST_SHELL" '
    def host($script): {path: $sh, args: ["sh", "-c", $script]};
    def inside($script): {path: "/bin/sh", args: ["sh", "-c", $script]};
    def told($phase): host("/usr/bin/jq -r .status | /usr/bin/sed s/^/\($phase):/ >>\($w)/hooks");
    def every: {prestart: [told("prestart")], createRuntime: [told("createRuntime")],
      createContainer: [told("createContainer")], poststart: [told("poststart")],
      poststop: [told("poststop")]};
    .mounts += [{destination: "/shared", type: "bind", source: "\($w)/shared", options: ["rbind", "rw"]}]
    | .hooks = '"$1" "$W/bundle/config.json" >"$W/hooked/config.json"
  rm -f "$W/hooks"
}
noted() { tr '\n' ' ' <"$W/hooks" | sed 's/ $//'; }

# A profile that lets programs of the container be hooks: baseline, opened at that place.
write_open_profile() {
  mkdir -p "$W/profiles"
  jq '.name = "hooked" | .hooks.allowed = "unsafe_any"' \
    "$ROOT/profiles/baseline.json" >"$W/profiles/hooked.json"
}
use_profile() {
  site_config ".hooks += [{path: \"$HOST_SHELL\"}] | .paths.profiles += [\"$W/profiles\"]
    | .rules = [{job: false, profile: \"$1\"}, {deny: true}]"
}

e2e_begin
write_host_config
busybox_bundle "$W/bundle" sh -c 'cat /shared/inside >&2; sleep 0.5'
busybox_bundle "$W/hooked" true
mkdir -m 0777 "$W/shared"
write_open_profile
use_profile hooked
hooked '{}'
expect_status 0 runtime run --bundle "$W/bundle" warm || true
snapshot "$W/before"

step 'each kind runs once, in order, with the state on stdin'
cat >"$W/hooked/rootfs/bin/note" <<'SCRIPT'
#!/bin/sh
grep -o '"status":"[a-z]*' | grep -o '[a-z]*$' >/shared/told
{ id -u; echo $PPID; } >>/shared/told
echo mark >/shared/inside
SCRIPT
chmod 0755 "$W/hooked/rootfs/bin/note"
hooked 'every + {startContainer: [{path: "/bin/note"}]}'
expect_status 0 runtime run --bundle "$W/hooked" one
sed -i "/^poststart/i startContainer:$(sed -n 1p "$W/shared/told")" "$W/hooks"
expect_eq "$(noted)" "$ALL" 'phases and states'
expect_eq "$(sed -n 2p "$W/shared/told")" 0 "the startContainer hook's user"
expect_eq "$(sed -n 3p "$W/shared/told")" 1 "the startContainer hook's parent is init, in the container's namespace"
expect_contains "$ERR" mark 'what the startContainer hook left for the program'
expect_same "$W/before" 'all hooks'

step 'poststart runs with start, poststop with delete'
hooked 'every'
edit_config "$W/hooked" '.process.args = ["sleep", "60"]'
runtime create --bundle "$W/hooked" two >"$W/two.out" 2>&1 </dev/null || fail "create: $(cat "$W/two.out")"
expect_eq "$(wc -l <"$W/hooks")" 3 'hooks of create'
expect_status 0 runtime start two
expect_eq "$(tail -1 "$W/hooks")" poststart:running 'the hook of start'
expect_status 0 runtime kill two KILL
expect_status 0 runtime delete --force two
expect_eq "$(tail -1 "$W/hooks")" poststop:stopped 'the hook of delete'
expect_status 0 runtime delete --force two
expect_eq "$(wc -l <"$W/hooks")" 5 'hooks after a second delete'
expect_same "$W/before" 'hooks of start and delete'

step 'a hook of create that fails undoes the container, and poststop runs'
for phase in prestart createRuntime createContainer; do
  hooked "{$phase: [host(\"echo its last words; exit 3\")], poststop: [told(\"poststop\")]}"
  run_status runtime run --bundle "$W/hooked" three
  [ "$STATUS" -ne 0 ] || fail "a failed $phase hook was ignored"
  expect_contains "$ERR" 'its last words' "$phase"
  expect_eq "$(noted)" poststop:stopped "after a failed $phase hook"
  expect_same "$W/before" "a failed $phase hook"
done

step 'a startContainer hook that fails stops the start'
hooked '{startContainer: [inside("exit 3")]}'
run_status runtime run --bundle "$W/hooked" four
[ "$STATUS" -ne 0 ] || fail 'a failed startContainer hook was ignored'
expect_contains "$ERR" hook.failed 'the error of start'
expect_same "$W/before" 'a failed startContainer hook'

step 'poststart and poststop hooks that fail are warnings, and the next ones run'
hooked '{poststart: [host("exit 3"), told("poststart")], poststop: [host("exit 3"), told("poststop")]}'
expect_status 0 runtime run --bundle "$W/hooked" five
expect_eq "$(noted)" 'poststart:running poststop:stopped' 'hooks after failed ones'
expect_eq "$(grep -c '^casemate: warning: .*hook.failed' "$W/err")" 2 'warnings'
expect_eq "$(grep -c '"event":"hook.failed"' "$W/data/audit/audit.jsonl")" 2 'audit records'
expect_same "$W/before" 'failed late hooks'

step 'a late hook whose path leads elsewhere by now does not run'
use_profile baseline
ln -sfn "$HOST_SHELL" "$W/hook"
hooked "{poststop: [host(\"echo ran >>$W/hooks\") | .path = \"$W/hook\"]}"
expect_status 0 runtime run --bundle "$W/hooked" six
expect_eq "$(noted)" ran 'a hook through a link'
hooked "{createRuntime: [host(\"ln -sfn /bin/true $W/hook\")], poststop: [host(\"echo ran >>$W/hooks\") | .path = \"$W/hook\"]}"
expect_status 0 runtime run --bundle "$W/hooked" seven
expect_eq "$(noted)" ran 'the program that was judged, whatever the link says since'

step 'the profile decides: unlisted programs, and programs of the container'
write_host_config ".rules = [{job: false, profile: \"baseline\"}, {deny: true}]"
for phase in prestart createRuntime createContainer poststart poststop; do
  hooked "{$phase: [host(\"true\")]}"
  run_status runtime run --bundle "$W/hooked" eight
  [[ $ERR =~ \[hooks\.not-listed\] ]] || fail "an unlisted $phase hook: $ERR"
done
hooked '{startContainer: [inside("true")]}'
run_status runtime run --bundle "$W/hooked" nine
[[ $ERR =~ \[hooks\.start-container\] ]] || fail "a startContainer hook: $ERR"
expect_same "$W/before" 'refused hooks'
