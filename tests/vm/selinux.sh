#!/usr/bin/env bash
# Enforcing SELinux: a container runs with exactly the label that was asked for, and its categories
# keep it from other containers' files.
# kernel: security=selinux enforcing=1
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/../e2e/lib.sh"

ONE=s0:c1,c2
OTHER=s0:c3,c4
label_of() { printf 'system_u:system_r:container_t:%s' "$1"; }
file_label() { printf 'system_u:object_r:container_file_t:%s' "$1"; }

# labelled_bundle LEVEL JQ_FILTER COMMAND…: $W/bundle runs the command at that level, its files and its mounts
# labelled so, as engines do it.
labelled_bundle() {
  local level=$1 filter=$2
  shift 2
  bundle_with "\"$W\" as \$w | .process.selinuxLabel = \"$(label_of "$level")\"
    | .linux.mountLabel = \"$(file_label "$level")\" | $filter" "$@"
  chcon -R "$(file_label "$level")" "$W/bundle/rootfs"
}
# refused LABEL RULE: a container with that label is refused by that rule, and nothing stays.
refused() {
  labelled_bundle "$ONE" ".process.selinuxLabel = \"$1\"" true
  run_status runtime run --bundle "$W/bundle" refused
  [[ $STATUS -ne 0 && $ERR == *"[$2]"* ]] || fail "label $1: exit code $STATUS, $ERR"
  expect_same "$W/before" "the refused label $1"
}

e2e_begin
write_host_config
labelled_bundle "$ONE" . true
expect_status 0 runtime run --bundle "$W/bundle" warm
mkdir "$W/own" "$W/other"
echo mine | tee "$W/own/file" >"$W/other/file"
chmod -R a+rX "$W/own" "$W/other"
chcon -R "$(file_label "$ONE")" "$W/own"
chcon -R "$(file_label "$OTHER")" "$W/other"
BOTH='.mounts += [{destination: "/own", type: "bind", source: "\($w)/own", options: ["rbind", "rw"]},
  {destination: "/other", type: "bind", source: "\($w)/other", options: ["rbind", "rw"]}]'
snapshot "$W/before"

step 'the kernel enforces its policy'
expect_eq "$(cat /sys/fs/selinux/enforce)" 1 'enforcing'

step 'the process has the label, and so have its files and its mounts'
labelled_bundle "$ONE" . sh -c 'for pid in 1 self; do busybox tr -d "\000" </proc/$pid/attr/current; echo; done
  echo new >/data/new; echo new >/dev/shm/new && echo shm; echo x >/dev/null && echo null
  for at in /dev /dev/pts /dev/shm; do busybox mount | grep -q " on $at .*[(,]context=.*:s0:c1,c2" && echo $at; done
  busybox stat -c %n /dev/mqueue'
expect_status 0 runtime run --bundle "$W/bundle" labelled
expect_eq "$OUT" "$(label_of "$ONE")
$(label_of "$ONE")
shm
null
/dev
/dev/pts
/dev/shm
/dev/mqueue" 'labels inside'
expect_eq "$(stat -c %C "$W/bundle/rootfs/data/new")" "$(file_label "$ONE")" 'the label of a new file'
expect_same "$W/before" 'the labelled container'

step 'another spelling of the label: an old name of the type, categories in another order'
labelled_bundle "$ONE" '.process.selinuxLabel = "system_u:system_r:svirt_lxc_net_t:s0:c2,c1"' cat /proc/self/attr/current
expect_status 0 runtime run --bundle "$W/bundle" alias
expect_eq "$(tr -d '\0' <"$W/out")" "$(label_of "$ONE")" 'the label, as the kernel writes it'
expect_same "$W/before" 'the container with an alias'

step 'the categories of another container are out of reach'
labelled_bundle "$ONE" "$BOTH" sh -c 'cat /own/file; cat /other/file; echo x >/other/new; ls /other'
run_status runtime run --bundle "$W/bundle" apart
expect_eq "$OUT" mine 'its own file, and no other'
for what in "can't open '/other/file'" "can't create /other/new" "can't open '/other'"; do
  expect_contains "$ERR" "$what: Permission denied" 'the file of another level'
done
labelled_bundle "$OTHER" "$BOTH" sh -c 'cat /other/file; cat /own/file'
run_status runtime run --bundle "$W/bundle" reverse
expect_eq "$OUT" mine 'the other container reads its own file'
expect_contains "$ERR" "can't open '/own/file': Permission denied" 'and not the first one'
expect_same "$W/before" 'two levels'

step 'a label that the policy does not know is refused'
refused "$(label_of s0:c1,c9999)" selinux.label
refused system_u:no_such_r:container_t:s0 selinux.label
refused no_such_u:system_r:container_t:s0 selinux.label

labelled_bundle "$ONE" ".linux.mountLabel = \"$(file_label s0:c1,c9999)\"" true
run_status runtime run --bundle "$W/bundle" refused
[[ $STATUS -ne 0 && $ERR == *"[selinux.label]"*mountLabel* ]] || fail "an unknown mount label: $STATUS, $ERR"
expect_same "$W/before" 'the refused mount label'

step "a label outside the profile's types is refused"
refused system_u:system_r:unconfined_t:s0 selinux.type

step 'without a label the container keeps the domain of its engine: the profile says whether it may'
mkdir "$W/profiles"
jq '.name = "labelled" | .selinux.require = true' "$ROOT/profiles/baseline.json" >"$W/profiles/labelled.json"
site_config ".paths.profiles += [\"$W/profiles\"] | .rules = [{job: false, profile: \"labelled\"}, {deny: true}]"
labelled_bundle "$ONE" 'del(.process.selinuxLabel)' true
run_status runtime run --bundle "$W/bundle" unlabelled
[[ $STATUS -ne 0 && $ERR == *"[selinux.required]"* ]] || fail "a container without a label: $STATUS $ERR"
expect_same "$W/before" 'the unlabelled container'
