#!/usr/bin/env bash
# User namespaces with id mappings, time namespaces with offsets, and all eight at once.
# kernel:
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/../e2e/lib.sh"

HOST_ID=100000
MAPPED=".linux.namespaces += [{type: \"user\"}]
  | .linux.uidMappings = [{containerID: 0, hostID: $HOST_ID, size: 65536}]
  | .linux.gidMappings = [{containerID: 0, hostID: $((HOST_ID + 65536)), size: 65536}]"
DAY=86400

# mapped_bundle JQ_FILTER COMMAND…: the same in a user namespace that owns its rootfs.
mapped_bundle() {
  local filter=$1
  shift
  bundle_with "$MAPPED | $filter" "$@"
  chown -hR "$HOST_ID:$((HOST_ID + 65536))" "$W/bundle/rootfs"
}
uptime_seconds() { cut -d . -f 1 /proc/uptime; }

e2e_begin
write_host_config
bundle_with . true
expect_status 0 runtime run --bundle "$W/bundle" warm
snapshot "$W/before"

step 'a user namespace: root inside, the planned ids outside'
mapped_bundle . sh -c 'cat /proc/self/uid_map /proc/self/gid_map; id -u; id -g
  grep CapEff /proc/self/status; echo new >/data/new; echo up; exec sleep 600'
echo 'of the host' >"$W/bundle/rootfs/data/foreign"
chmod 0600 "$W/bundle/rootfs/data/foreign"
runtime create --bundle "$W/bundle" --pid-file "$W/pid" mapped >"$W/mapped.out" 2>&1 </dev/null ||
  fail "create: $(cat "$W/mapped.out")"
expect_status 0 runtime start mapped
wait_until 20 grep -q up "$W/mapped.out" || fail "the job did not start: $(cat "$W/mapped.out")"
pid=$(cat "$W/pid")
mapfile -t lines <"$W/mapped.out"
expect_eq "$(tr -s ' ' <<<"${lines[0]}")" " 0 $HOST_ID 65536" 'uid_map'
expect_eq "$(tr -s ' ' <<<"${lines[1]}")" " 0 $((HOST_ID + 65536)) 65536" 'gid_map'
expect_eq "${lines[2]} ${lines[3]}" '0 0' 'uid and gid inside'
expect_contains "${lines[4]}" 00000000a00425fb "capabilities inside: the profile's ceiling"
expect_eq "$(awk '$1 == "Uid:" {print $2, $3, $4, $5}' "/proc/$pid/status")" \
  "$HOST_ID $HOST_ID $HOST_ID $HOST_ID" 'uids outside'
expect_eq "$(awk '$1 == "Gid:" {print $2}' "/proc/$pid/status")" "$((HOST_ID + 65536))" 'gid outside'
expect_eq "$(stat -c '%u %g' "$W/bundle/rootfs/data/new")" "$HOST_ID $((HOST_ID + 65536))" 'owner of a new file'
expect_status 0 runtime delete --force mapped
expect_same "$W/before" 'the user namespace'

step 'its capabilities end at its border'
mapped_bundle '.process.user.additionalGids = [7]' sh -c 'busybox stat -c "%u %g" /bin/busybox /data/foreign
  id -G; cat /data/foreign; busybox chown 0 /data/foreign; busybox chroot / true && echo chroot
  busybox mknod /data/node b 8 0; echo 1 >/proc/sys/kernel/panic
  for node in null zero full random urandom tty; do [ -c /dev/$node ] || echo "no /dev/$node"; done
  echo x >/dev/null && head -c 3 /dev/zero | wc -c'
echo 'of the host' >"$W/bundle/rootfs/data/foreign"
chmod 0600 "$W/bundle/rootfs/data/foreign"
run_status runtime run --bundle "$W/bundle" border
expect_eq "$OUT" $'0 0\n65534 65534\n0 7\nchroot\n3' 'what works inside'
expect_contains "$ERR" "can't open '/data/foreign': Permission denied" "reading the host root's file"
expect_contains "$ERR" 'chown: /data/foreign: Operation not permitted' "taking the host root's file"
expect_contains "$ERR" 'mknod: /data/node: Operation not permitted' 'making a node'
expect_same "$W/before" 'the border'

step 'a user that is not root, in a user namespace'
mapped_bundle '.process.user = {uid: 1000, gid: 1000} | .process.capabilities = {}' sh -c \
  'id -u; id -g; grep CapEff /proc/self/status | grep -o "[0-9a-f]*$"; echo mine >/tmp/mine && busybox stat -c %u /tmp/mine'
expect_status 0 runtime run --bundle "$W/bundle" user
expect_eq "$OUT" $'1000\n1000\n0000000000000000\n1000' 'ids and capabilities'
expect_eq "$(stat -c %u "$W/bundle/rootfs/tmp/mine")" "$((HOST_ID + 1000))" 'owner of its file outside'
expect_same "$W/before" 'the user'

step 'a time namespace: both clocks are moved, and only inside'
bundle_with ".linux.namespaces += [{type: \"time\"}] | .linux.timeOffsets = {
  monotonic: {secs: $((2 * DAY)), nanosecs: 5}, boottime: {secs: $((7 * DAY))}}" \
  sh -c 'cat /proc/uptime; cat /proc/self/timens_offsets'
before=$(uptime_seconds)
expect_status 0 runtime run --bundle "$W/bundle" later
after=$(uptime_seconds)
inside=$(head -1 "$W/out" | cut -d . -f 1)
[ "$inside" -ge "$((before + 7 * DAY))" ] && [ "$inside" -le "$((after + 7 * DAY))" ] ||
  fail "uptime inside is $inside, outside $before to $after"
expect_eq "$(tail -2 "$W/out" | tr -s ' \n' ' ')" "monotonic $((2 * DAY)) 5 boottime $((7 * DAY)) 0 " 'offsets'
[ "$after" -lt "$DAY" ] || fail "the host's clock moved: $after"
expect_same "$W/before" 'the time namespace'

step 'all eight namespaces are new ones'
ALL='.linux.namespaces += [{type: "cgroup"}, {type: "time"}] | .linux.timeOffsets = {boottime: {secs: 86400}}'
mapped_bundle "$ALL" sh -c 'for name in cgroup ipc mnt net pid time user uts; do
  echo "$name $(busybox readlink /proc/self/ns/$name)"; done'
expect_status 0 runtime run --bundle "$W/bundle" eight
for name in cgroup ipc mnt net pid time user uts; do
  inside=$(awk -v name="$name" '$1 == name {print $2}' "$W/out")
  [[ $inside == "$name:["* ]] || fail "no $name namespace inside: $OUT"
  [ "$inside" != "$(readlink "/proc/self/ns/$name")" ] || fail "the container shares the host's $name namespace"
done
expect_same "$W/before" 'the eight namespaces'
