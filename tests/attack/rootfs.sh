#!/usr/bin/env bash
# Hostile images and volumes: links, devices and races that lead mounts, masks or files to the host.
# shellcheck disable=SC2016  # jq's variables, not the shell's
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/../e2e/lib.sh"
# shellcheck source=tests/attack/attack.sh
. "$ROOT/tests/attack/attack.sh"

LINK_RULES='fs\.(dangling|link|dotdot|directory)|mount\.(symlink|covers)|device\.occupied|mask\.null-device'

# link NAME TARGET: replaces NAME of the root file system by a link.
link() {
  rm -rf -- "${ROOTFS:?}/$1"
  ln -s -- "$2" "$ROOTFS/$1"
}

attack_begin

# --- /proc, /sys, /dev as links (CVE-2019-19921, CVE-2023-27561, CVE-2023-28642, CVE-2026-41579)
for target in "$W/host" ../../../host ../../host /data /; do
  hostile proc-link; link proc "$target"
  refused "rootfs/proc -> $target" denied 'mount\.symlink'
  hostile sys-link; link sys "$target"
  refused "rootfs/sys -> $target" denied 'mount\.symlink'
done
for target in "$W/host" ../../host ../../../../../../../../../../../../"$W/host"; do
  hostile dev-link; link dev "$target"
  contained "rootfs/dev -> $target, a tmpfs on it" "$LINK_RULES"
  hostile dev-bare; link dev "$target"
  reconfigure '.mounts |= [.[] | select(.destination | startswith("/dev") | not)]'
  contained "rootfs/dev -> $target, nothing on it" "$LINK_RULES"
  for name in null ptmx console pts shm fd stdin; do
    hostile "dev-$name"; link "dev/$name" "$target/$name"
    reconfigure '.mounts |= [.[] | select(.destination != "/dev")]'
    contained "rootfs/dev/$name -> $target/$name" "$LINK_RULES"
  done
done

# --- destinations through links (CVE-2019-18837, CVE-2021-30465, CVE-2024-45310)
mkdir -p "$W/payload"
printf 'payload\n' >"$W/payload/payload"
for target in "$W/host" ../../host ../../../../../../../../../../../../"$W/host"; do
  hostile tmp-link sh -c 'echo owned >/tmp/x/canary'; link tmp "$target"
  reconfigure '.mounts += [{destination: "/tmp/x", type: "tmpfs", source: "tmpfs", options: ["nosuid", "nodev"]}]'
  contained "a tmpfs at /tmp/x, rootfs/tmp -> $target" "$LINK_RULES"
  hostile bind-link sh -c 'echo owned >/tmp/canary'; link tmp "$target"
  reconfigure --arg source "$W/payload" '.mounts += [{destination: "/tmp", type: "bind", source: $source, options: ["bind", "ro"]}]'
  contained "a bind at /tmp, rootfs/tmp -> $target" "$LINK_RULES"
  hostile file-link; link run/file "$target/canary"
  reconfigure --arg source "$W/payload/payload" '.mounts += [{destination: "/run/file", type: "bind", source: $source, options: ["bind"]}]'
  contained "a file at /run/file -> $target/canary" "$LINK_RULES"
  hostile mask-link cat /run/mask/secret; link run/mask "$target"
  reconfigure '.linux.maskedPaths += ["/run/mask"] | .linux.readonlyPaths += ["/run/mask"]'
  step "a masked path -> $target"
  attack
  [ "$STATUS" -ne 0 ] || fail "the masked path could be read: $OUT"
  expect_host_untouched "a masked path -> $target"
done
for destination in ../tmp /tmp/../../x /../host /data/..; do
  hostile dotdot
  reconfigure --arg at "$destination" '.mounts += [{destination: $at, type: "tmpfs", source: "tmpfs"}]'
  refused "a mount at $destination" bad_input 'oci\.mount-destination'
done

# --- covering what others rely on (CVE-2019-16884, CVE-2025-31133, CVE-2025-52881)
mkdir -p "$W/volume/self/attr"
ln -s /proc/sys/kernel/core_pattern "$W/volume/null"
printf 'fake\n' >"$W/volume/self/attr/exec"
volume() {  # DESTINATION: binds the hostile volume there
  reconfigure --arg source "$W/volume" --arg at "$1" \
    '.mounts += [{destination: $at, type: "bind", source: $source, options: ["rbind", "rw"]}]'
}
hostile dev-volume sh -c 'echo owned >/dev/null'; volume /dev
refused '/dev from a volume whose null leads to core_pattern' denied 'mounts\.dev'
hostile dev-volume-link sh -c 'echo owned >/dev/null'; link elsewhere /dev; volume /elsewhere
refused '/dev from that volume, through a link' denied 'device\.occupied|mask\.null-device|mount\.covers'
for place in /proc /proc/self /proc/self/attr /proc/sys /sys/kernel /sys/fs/cgroup; do
  hostile covered; volume "$place"
  refused "a volume over $place" denied 'mounts\.(proc|sys)'
done
hostile covered-link; link elsewhere /proc; volume /elsewhere/sys
refused 'a volume over /proc/sys, through a link' denied 'mount\.covers'
hostile fake-proc cat /proc/self/attr/exec
mkdir -p "$ROOTFS/proc/self/attr"
printf 'fake\n' >"$ROOTFS/proc/self/attr/exec"
reconfigure '.mounts |= [.[] | select(.destination != "/proc")]'
contained 'a root file system with a /proc of its own and no procfs' 'proc\.fake'

# --- files that wake something when they are opened
hostile fifos
for file in etc/passwd etc/group etc/hosts etc/hostname dev/fd run/fifo; do
  rm -rf -- "${ROOTFS:?}/$file"
  mkfifo "$ROOTFS/$file"
done
reconfigure --arg source "$W/payload/payload" '.mounts += [{destination: "/run/fifo", type: "bind", source: $source, options: ["bind"]}]'
E2E_TIMEOUT=10 contained 'FIFOs in place of files'

# --- a destination exchanged all the time for a link to the host (CVE-2021-30465)
step 'mounts while their destination is exchanged for a link'
gcc -O1 -Wall -Wextra -o "$W/exchange" "$ATTACK_DIR/exchange.c"
mkdir -p "$W/shared/place"
ln -s ../../../../../../../../../../../../"$W/host/inner" "$W/shared/link"
"$W/exchange" "$W/shared/place" "$W/shared/link" &
exchanger=$!
hostile race sh -c 'echo owned >/shared/place/deep/canary; echo ran'
reconfigure --arg shared "$W/shared" --arg payload "$W/payload" '.mounts += [
  {destination: "/shared", type: "bind", source: $shared, options: ["bind", "rw"]},
  {destination: "/shared/place/deep", type: "bind", source: $payload, options: ["bind", "rw"]},
  {destination: "/shared/place/new/deeper", type: "tmpfs", source: "tmpfs"}]'
races=0 until=$((SECONDS + 4))
while [ "$SECONDS" -lt "$until" ]; do
  attack
  races=$((races + 1))
  # readback.mount: it went where it belonged, and the place is another one by now.
  [ "$STATUS" -eq 0 ] || [[ $ERR =~ \[(fs\.(dangling|link|race)|system\.call|readback\.mount)\] || $ERR == *nonexistent* ]] ||
    fail "race $races: exit code $STATUS, stderr: $ERR"
done
kill -KILL "$exchanger"
wait "$exchanger" || true
[ "$races" -ge 10 ] || fail "only $races races were run"
expect_host_untouched "one of $races races"

step 'nothing of the host shows inside, and nothing stays'
hostile look sh -c 'cat /proc/self/mountinfo /proc/mounts; ls -a /'
attack
expect_eq "$STATUS" 0 "looking around (stderr: $ERR)"
for path in "$W/state" "$W/root" "$W/data" "$W/bin" /var/lib/casemate; do
  [[ $OUT != *"$path"* ]] || fail "the container's mounts show $path: $OUT"
done
expect_same "$W/before" 'all attacks'
