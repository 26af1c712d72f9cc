#!/usr/bin/env bash
# Idmapped mounts, tmpcopyup, recursive attributes, propagation, devices' modes, and namespaces of
# another container: asked for in config.json, and looked at from both sides.
# shellcheck disable=SC2016  # $ belongs to shells and jq inside
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

# bundle JQ_FILTER COMMAND…: $W/bundle runs the command under that configuration.
bundle() {
  bundle_with "$@"
  ln -sf busybox "$W/bundle/rootfs/bin/stat"
  ln -sf busybox "$W/bundle/rootfs/bin/readlink"
}
# runs FILTER SCRIPT: the script's output in $OUT.
runs() {
  bundle "$1" sh -c "$2"
  expect_status 0 runtime run --bundle "$W/bundle" one
}
# refused CODE RULE FILTER: that nothing is left is looked at, too.
refused() {
  bundle "$3" true
  expect_status "$1" runtime run --bundle "$W/bundle" refused
  [[ $ERR =~ \[($2)\] ]] || fail "expected [$2]: $ERR"
  expect_same "$W/before" "refused: $2"
}
start() {  # ID: $W/bundle; its pid in $PID
  runtime create --bundle "$W/bundle" "$1" >"$W/$1.out" 2>"$W/$1.err" </dev/null || fail "create $1: $(cat "$W/$1.err")"
  expect_status 0 runtime start "$1"
  PID=$(runtime state "$1" | jq -er .pid)
}
# mount_of DESTINATION OPTIONS [MORE]: a jq object.
bind_of() {
  printf '{destination: "%s", source: "%s", options: ["bind"%s]%s}' "$1" "$2" "${3:+, $3}" "${4:+, $4}"
}
MAP='[{containerID: 0, hostID: 100000, size: 65536}]'
MAPPED=".linux.namespaces += [{type: \"user\"}] | .linux.uidMappings = $MAP | .linux.gidMappings = $MAP"
own() { chown -hR 100000:100000 "$W/bundle/rootfs"; }

e2e_begin
write_host_config
mkdir -p "$W/shared/below"
echo mine >"$W/shared/file"
chown 1234:1235 "$W/shared/file"
chmod 0711 "$W"
bundle . true
expect_status 0 runtime run --bundle "$W/bundle" warm
snapshot "$W/before"

step 'an idmapped bind: other owners inside, the same on the host, new files too'
IDS='uidMappings: [{containerID: 1234, hostID: 1000, size: 1}, {containerID: 0, hostID: 0, size: 1}],
  gidMappings: [{containerID: 1235, hostID: 1001, size: 1}, {containerID: 0, hostID: 0, size: 1}]'
runs ".process.user = {uid: 1000, gid: 1001} | .process.capabilities = {} | .mounts += [$(bind_of /shared "$W/shared" '"idmap"' "$IDS")]" \
  'stat -c "%u %g" /shared/file; echo more >>/shared/file && cat /shared/file; grep -c " /shared .*idmapped" /proc/self/mountinfo'
expect_eq "$OUT" $'1000 1001\nmine\nmore\n1' 'inside'
expect_eq "$(stat -c '%u %g' "$W/shared/file")" '1234 1235' 'on the host'
chmod 0777 "$W/shared"
runs ".process.user = {uid: 1000, gid: 1001} | .process.capabilities = {} | .mounts += [$(bind_of /shared "$W/shared" '' "$IDS")]" \
  'echo new >/shared/new; stat -c "%u %g" /shared/new'
expect_eq "$OUT" '1000 1001' 'a new file inside'
expect_eq "$(stat -c '%u %g' "$W/shared/new")" '1234 1235' 'a new file on the host'
runs ".mounts += [$(bind_of /shared "$W/shared" '"idmap"' 'uidMappings: [{containerID: 9, hostID: 9, size: 1}], gidMappings: [{containerID: 9, hostID: 9, size: 1}]')]" \
  'stat -c %u /shared/file; echo x >>/shared/file || echo refused'
expect_eq "$OUT" $'65534\nrefused' 'owners that no mapping names are nobody'
expect_same "$W/before" 'idmapped binds'

step 'without mappings of its own: those of the container'
chown 0:0 "$W/shared/file"
bundle "$MAPPED | .mounts += [$(bind_of /shared "$W/shared" '"ro", "idmap"'), $(bind_of /plain "$W/shared" '"ro"')]" \
  sh -c 'stat -c "%u %g" /shared/file /plain/file'
own
expect_status 0 runtime run --bundle "$W/bundle" one
expect_eq "$OUT" $'0 0\n65534 65534' 'the owner inside'
expect_same "$W/before" 'the mappings of the container'

step 'a whole tree (ridmap), and a mount below that is left as it is (idmap)'
mount -t tmpfs tree "$W/shared/below"
chown 1234:1235 "$W/shared/below"
for option in idmap ridmap; do
  runs ".mounts += [{destination: \"/shared\", source: \"$W/shared\", options: [\"rbind\", \"$option\"], $IDS}]" 'stat -c %u /shared/below'
  expect_eq "$OUT" "$([ "$option" = idmap ] && echo 1234 || echo 1000)" "$option"
done
umount "$W/shared/below"

step 'file systems that cannot be idmapped, and mappings that make no sense'
mkdir -p "$W/over"/{lower,upper,work,merged}
mount -t overlay -o "lowerdir=$W/over/lower,upperdir=$W/over/upper,workdir=$W/over/work" over "$W/over/merged"
snapshot "$W/before"
refused 4 'mount\.idmap' ".mounts += [$(bind_of /shared "$W/over/merged" '"idmap"' "$IDS")]"
umount "$W/over/merged"
snapshot "$W/before"
refused 2 'oci\.id-mapping' ".mounts += [$(bind_of /shared "$W/shared" '"idmap"' 'uidMappings: [{containerID: 0, hostID: 5, size: 9}, {containerID: 3, hostID: 50, size: 1}], gidMappings: [{containerID: 0, hostID: 5, size: 9}]')]"
refused 2 'oci\.mount-idmap' ".mounts += [$(bind_of /shared "$W/shared" '"idmap"')]"
refused 2 'oci\.mount-idmap' ".mounts += [{destination: \"/tmp\", type: \"tmpfs\", source: \"tmpfs\", $IDS}]"

step 'a profile without idmap refuses it; one without root keeps root'"'"'s files'
mkdir -p "$W/profiles"
jq '.name = "closed" | .mounts.rules[-1] |= del(.idmap)' "$ROOT/profiles/baseline.json" >"$W/profiles/closed.json"
jq '.name = "noroot" | .user.root = "never"' "$ROOT/profiles/baseline.json" >"$W/profiles/noroot.json"
site_config ".paths.profiles += [\"$W/profiles\"] | .rules[1].profile = \"closed\""
refused 1 'mounts\.idmap' ".mounts += [$(bind_of /shared "$W/shared" '"idmap"' "$IDS")]"
site_config ".paths.profiles += [\"$W/profiles\"] | .rules[1].profile = \"noroot\""
refused 1 'mounts\.idmap-root' ".process.user = {uid: 1000, gid: 1001} | .process.capabilities = {} | .mounts += [$(bind_of /shared "$W/shared" '"idmap"' "$IDS")]"
site_config

step 'tmpcopyup: the image'"'"'s files on a tmpfs, and the image stays as it is'
bundle '.process.user = {uid: 1000, gid: 1000} | .process.capabilities = {} | .mounts += [
  {destination: "/data", type: "tmpfs", source: "tmpfs", options: ["tmpcopyup", "size=1m"]},
  {destination: "/opt", type: "tmpfs", source: "tmpfs", options: ["tmpcopyup", "ro"]}]' sh -c '
  cat /data/deep/file /data/link; stat -c "%a %u %g" /data /data/deep /data/deep/file /data/setuid
  echo changed >/data/deep/file && cat /data/deep/file; ls /data; cat /opt/file; touch /opt/x 2>/dev/null || echo read-only'
mkdir -p "$W/bundle/rootfs"/{data/deep,opt}
echo image >"$W/bundle/rootfs/data/deep/file"
echo optional >"$W/bundle/rootfs/opt/file"
ln -s deep/file "$W/bundle/rootfs/data/link"
ln -s "$W/shared" "$W/bundle/rootfs/data/out"
touch "$W/bundle/rootfs/data/setuid"
mkfifo "$W/bundle/rootfs/data/fifo"
chown -R 1000:1000 "$W/bundle/rootfs/data"
chmod 0750 "$W/bundle/rootfs/data"
chmod 6755 "$W/bundle/rootfs/data/setuid"
expect_status 0 runtime run --bundle "$W/bundle" one
expect_eq "$OUT" $'image\nimage\n750 1000 1000\n755 1000 1000\n644 1000 1000\n755 1000 1000\nchanged\ndeep\nlink\nout\nsetuid\noptional\nread-only' 'inside'
expect_eq "$(cat "$W/bundle/rootfs/data/deep/file")" image 'the image'
head -c 2097152 /dev/zero >"$W/bundle/rootfs/data/large"
expect_status 1 runtime run --bundle "$W/bundle" full
expect_contains "$ERR" '[mount.copy-up]' 'more than the tmpfs holds'
rm "$W/bundle/rootfs/data/large"
edit_config "$W/bundle" ".mounts += [$(bind_of /data/deep "$W/shared"), {destination: \"/data/deep/below\", type: \"tmpfs\", source: \"tmpfs\", options: [\"tmpcopyup\"]}]"
expect_status 1 runtime run --bundle "$W/bundle" bound
expect_contains "$ERR" '[mount.copy-up]' 'files of the host are not copied'
expect_same "$W/before" 'tmpcopyup'

step 'attributes of a whole tree, read from inside'
mount -t tmpfs tree "$W/shared/below"
flags_of() { awk -v at="$1" '$5 == at {print $6}' <<<"$OUT"; }
runs ".mounts += [
  {destination: \"/a\", source: \"$W/shared\", options: [\"rbind\", \"rro\", \"rnosuid\", \"rnodev\", \"rnoexec\", \"rnoatime\", \"rnodiratime\", \"rnosymfollow\"]},
  {destination: \"/b\", source: \"$W/shared\", options: [\"rbind\", \"ro\", \"strictatime\"]},
  {destination: \"/c\", source: \"$W/shared\", options: [\"rbind\", \"rstrictatime\", \"nodiratime\"]},
  {destination: \"/d\", type: \"tmpfs\", source: \"tmpfs\", options: [\"rnoexec\", \"rro\", \"noatime\"]}]" 'cat /proc/self/mountinfo'
for at in /a /a/below; do
  for flag in ro nosuid nodev noexec noatime nodiratime nosymfollow; do
    [[ ",$(flags_of $at)," == *",$flag,"* ]] || fail "$at is not $flag: $(flags_of $at)"
  done
done
[[ ,$(flags_of /b), == *,ro,* && ! $(flags_of /b) =~ atime ]] || fail "/b: $(flags_of /b)"
[[ ,$(flags_of /b/below), == *,ro,*relatime* ]] || fail "/b/below: $(flags_of /b/below)"
[[ ,$(flags_of /c), == *,rw,*nodiratime* && ! $(flags_of /c) =~ relatime ]] || fail "/c: $(flags_of /c)"
[[ ! $(flags_of /c/below) =~ atime ]] || fail "/c/below: $(flags_of /c/below)"
[[ ,$(flags_of /d), == *,ro,*noexec,noatime* ]] || fail "/d: $(flags_of /d)"
umount "$W/shared/below"

step 'propagation of mounts and of the root'
mount --bind "$W/shared" "$W/shared" && mount --make-shared "$W/shared"
fields_of() { awk -v at="$1" '$5 == at {for (i = 7; $i != "-"; ++i) printf "%s ", $i}' <<<"$OUT"; }
jq '.name = "spreading" | .mounts.propagation = ["private", "rprivate", "slave", "rslave", "shared", "rshared", "unbindable", "runbindable"]' \
  "$ROOT/profiles/baseline.json" >"$W/profiles/spreading.json"
site_config ".paths.profiles += [\"$W/profiles\"] | .rules[1].profile = \"spreading\""
for kind in '' r; do
  runs "$(for one in private slave shared unbindable; do
    printf '.mounts += [{destination: "/%s", source: "%s", options: ["%sbind", "%s%s"]}] | ' "$one" "$W/shared" "$kind" "$kind" "$one"; done) ." \
    'cat /proc/self/mountinfo'
  expect_eq "$(fields_of /private)" '' "${kind}private"
  [[ $(fields_of /slave) =~ ^master:[0-9]+\ $ ]] || fail "${kind}slave: $(fields_of /slave)"
  [[ $(fields_of /shared) =~ ^shared: ]] || fail "${kind}shared: $(fields_of /shared)"
  [[ $(fields_of /unbindable) =~ unbindable ]] || fail "${kind}unbindable: $(fields_of /unbindable)"
done
for root in private slave shared unbindable; do
  runs ".linux.rootfsPropagation = \"$root\"" 'cat /proc/self/mountinfo'
  case $root in
    private | slave) [[ ! $(fields_of /) =~ shared|unbindable ]] || fail "root $root: $(fields_of /)" ;;
    *) [[ $(fields_of /) =~ $root ]] || fail "root $root: $(fields_of /)" ;;
  esac
done
# A shared mount of the host reaches the container, and only where that was asked for.
bundle ".mounts += [{destination: \"/slave\", source: \"$W/shared\", options: [\"rbind\", \"rslave\"]}, {destination: \"/private\", source: \"$W/shared\", options: [\"rbind\", \"rprivate\"]}]" sleep 600
start follows
mount -t tmpfs later "$W/shared/below" && touch "$W/shared/below/later"
expect_status 0 runtime exec follows ls /slave/below /private/below
expect_eq "$OUT" $'/private/below:\n\n/slave/below:\nlater' 'a mount that came later'
umount "$W/shared/below"
expect_status 0 runtime delete --force follows
umount "$W/shared"
site_config
expect_same "$W/before" 'propagation'

step 'devices with a mode, a user and a group'
jq '.name = "node" | .devices.allowed = [{path: "/dev/mine", type: "c", major: 1, minor: 3, access: "rwm"}, {path: "/dev/deep/pipe", type: "c", major: 1, minor: 5, access: "rwm"}]' \
  "$ROOT/profiles/baseline.json" >"$W/profiles/node.json"
site_config ".paths.profiles += [\"$W/profiles\"] | .rules[1].profile = \"node\""
runs '.linux.devices = [{path: "/dev/mine", type: "c", major: 1, minor: 3, fileMode: 384, uid: 12, gid: 34}, {path: "/dev/deep/pipe", type: "c", major: 1, minor: 5}]' \
  'stat -c "%a %u %g %t %T" /dev/mine /dev/deep/pipe'
expect_eq "$OUT" $'600 12 34 1 3\n666 0 0 1 5' 'devices'
site_config

step 'namespaces of another container: user, time, and the others with them'
jq '.name = "joining" | .namespaces.join += ["user"]' "$ROOT/profiles/baseline.json" >"$W/profiles/joining.json"
site_config ".paths.profiles += [\"$W/profiles\"] | .rules[1].profile = \"joining\""
bundle "$MAPPED | .linux.namespaces += [{type: \"time\"}] | .linux.timeOffsets = {boottime: {secs: 100000}}" sleep 600
own
start first
first=$PID
spaces=$(for space in user time network ipc uts; do
  printf '{type: "%s", path: "/proc/%s/ns/%s"}, ' "$space" "$first" "${space/network/net}"; done)
JOINED="del(.hostname) | .linux.namespaces = [$spaces {type: \"mount\"}, {type: \"pid\"}, {type: \"cgroup\"}]"
bundle "$JOINED | .process.oomScoreAdj = 77 | .process.rlimits = [{type: \"RLIMIT_CORE\", soft: 0, hard: 0}]" sleep 600
own
start second
for space in user time net ipc uts; do
  expect_eq "$(readlink "/proc/$PID/ns/$space")" "$(readlink "/proc/$first/ns/$space")" "namespace $space"
done
for space in mnt pid cgroup; do
  [ "$(readlink "/proc/$PID/ns/$space")" != "$(readlink "/proc/$first/ns/$space")" ] || fail "$space is shared"
done
expect_eq "$(awk '$1 == "Uid:" {print $2, $3, $4, $5}' "/proc/$PID/status")" '100000 100000 100000 100000' 'ids on the host'
expect_eq "$(cat "/proc/$PID/oom_score_adj") $(cat "/proc/$PID/coredump_filter")" '77 00000000' 'OOM score, dumps'
read -r uptime _ </proc/uptime
expect_status 0 runtime exec second sh -c 'cat /proc/uptime; stat -c %u /data; mount -t tmpfs x /tmp 2>/dev/null || echo no mount; id -u'
[ "${OUT%%.*}" -ge $((${uptime%%.*} + 100000)) ] || fail "the clock is the host's: $OUT"
expect_eq "$(tail -3 <<<"$OUT")" $'0\nno mount\n0' 'exec in the second'
expect_status 0 runtime delete --force second
# Its mappings may be said again, as they are, and no others.
bundle "$JOINED | .linux.uidMappings = $MAP | .linux.gidMappings = $MAP" sh -c 'cat /proc/self/uid_map'
own
expect_status 0 runtime run --bundle "$W/bundle" one
expect_eq "$(tr -s ' ' <<<"$OUT")" ' 0 100000 65536' 'the mappings'
snapshot "$W/before"
refused 2 'oci\.id-mapping' "$JOINED | .linux.uidMappings = $MAP | .linux.gidMappings = [{containerID: 0, hostID: 5, size: 1}]"
refused 2 'oci\.time-offset' "$JOINED | .linux.timeOffsets = {boottime: {secs: 1}}"

site_config
refused 1 'namespaces\.join' "$JOINED"

step 'a new user namespace, and a network that belongs to the host'
bundle "$MAPPED | del(.mounts[] | select(.type == \"sysfs\" or .type == \"cgroup\")) | del(.linux.maskedPaths[] | select(startswith(\"/sys\")))
  | .linux.namespaces |= [.[] | select(.type == \"network\").path = \"$W/netns\"]" sh -c 'readlink /proc/self/ns/net; id -u'
own
unshare --net sleep 600 &
holder=$!
wait_until 5 test "/proc/$holder/ns/net" -ef "/proc/$holder/ns/net"
wait_until 5 bash -c '[ "$(readlink /proc/'"$holder"'/ns/net)" != "$(readlink /proc/self/ns/net)" ]'
touch "$W/netns" && mount --bind "/proc/$holder/ns/net" "$W/netns"
network=$(readlink "/proc/$holder/ns/net")
kill "$holder"
expect_status 0 runtime run --bundle "$W/bundle" one
expect_eq "$OUT" "$network"$'\n0' 'the network, root inside'
umount "$W/netns" && rm "$W/netns"

step 'paths that lead to no such namespace, and mount namespaces'
refused 1 'namespaces\.mount' ".linux.namespaces |= [.[] | select(.type == \"mount\").path = \"/proc/$first/ns/mnt\"]"
refused 1 'namespaces\.host-path' '.linux.namespaces += [{type: "user", path: "/proc/self/ns/user"}]'
refused 2 'namespaces\.type' ".linux.namespaces |= [.[] | select(.type == \"network\").path = \"/proc/$first/ns/uts\"]"
refused 2 'namespaces\.type' ".linux.namespaces |= [.[] | select(.type == \"network\").path = \"$W/shared/file\"]"
refused 2 'namespaces\.path' ".linux.namespaces |= [.[] | select(.type == \"network\").path = \"$W/absent\"]"
# Not even where a profile only complains: the mounts would be the host's.
site_config '.rules[1].profile = "lab"'
for spaces in "[.[] | select(.type == \"mount\").path = \"/proc/$first/ns/mnt\"]" '[.[] | select(.type != "mount")]'; do
  refused 1 'namespaces\.mount' ".linux.namespaces |= $spaces"
done
site_config
expect_status 0 runtime delete --force first

step 'what features says'
expect_status 0 runtime features
expect_eq "$(jq -r '.linux.mountExtensions.idmap.enabled, ([.mountOptions[] | select(. == "idmap" or . == "ridmap" or . == "tmpcopyup" or . == "rro")] | length)' <<<"$OUT" | xargs)" 'true 4' 'features'
