# shellcheck shell=bash
# Snapshots of the whole system as the test sees it, and their comparison: every process, every
# mount namespace, every cgroup hierarchy, descriptors, shared memory, /run and the state folders.

all_cgroups() {
  local mount
  awk '{for (i = 7; i < NF; i++) if ($i == "-") {if ($(i + 1) ~ /^cgroup2?$/) print $5}}' \
    /proc/self/mountinfo | sort -u | while IFS= read -r mount; do
    find "$mount" -xdev -type d 2>/dev/null || true
  done | sort
}

# Removes what engines leave: parents of their containers' cgroups that are new and empty.
remove_engine_cgroups() {
  [ -f "$W/cgroups.begin" ] || return 0
  sleep 0.1  # the kernel empties the cgroup of a dead process a moment later
  all_cgroups | comm -13 "$W/cgroups.begin" - | grep -E '/(docker|default|other|libpod_parent|moby|k8s\.io|casemate[^/]*)(/|$)' |
    sort -r | while IFS= read -r folder; do rmdir -- "$folder" 2>/dev/null || true; done || true
}

# Its own subshells and tools come and go while it looks: they are children of BASHPID or itself.
snapshot_processes() {
  local me=$BASHPID folder pid parent name
  for folder in /proc/[0-9]*; do
    pid=${folder#/proc/}
    [ "$pid" != "$me" ] || continue
    { parent=$(awk '$1 == "PPid:" {print $2}' "$folder/status"); } 2>/dev/null || continue
    [ "$parent" != "$me" ] || continue
    { name=$(tr '\0' ' ' <"$folder/cmdline"); } 2>/dev/null || continue
    printf '%s %s\n' "$pid" "$name"
  done
}

# One line a mount of each distinct namespace; identifiers that differ from run to run left out.
snapshot_mounts() {
  local folder space
  declare -A seen=()
  for folder in /proc/[0-9]*; do
    space=$(readlink "$folder/ns/mnt" 2>/dev/null) || continue
    [ -z "${seen[$space]+seen}" ] || continue
    seen[$space]=1
    { awk -v space="$space" '{$1 = ""; $2 = ""; print "mount " space $0}' "$folder/mountinfo" |
        sort; } 2>/dev/null || true
  done
}

# What long-lived processes hold open; numbers of sockets and pipes are their own business.
snapshot_descriptors() {
  local pid=$1
  find "/proc/$pid/fd" -type l -printf '%l\n' 2>/dev/null |
    sed -E 's/:\[[0-9]+\]$//' | sort | uniq -c | sed "s/^/fd $pid /"
}

# snapshot FILE
snapshot() {
  local processes descriptors  # looked at before any pipeline or file of ours is there to be seen
  processes=$(snapshot_processes)
  descriptors=$(snapshot_descriptors 1)
  {
    sed 's/^/process /' <<<"$processes"
    printf '%s\n' "$descriptors"
    snapshot_mounts
    all_cgroups | sed 's/^/cgroup /'
    find /run /dev/shm /tmp /var/lib/casemate "$W/root" "$W/state" -mindepth 1 \
      -printf 'file %p %y %m %U:%G\n' 2>/dev/null | sort || true
    awk 'FNR > 1 {print "sysv", FILENAME, $1, $2}' /proc/sysvipc/{shm,sem,msg}
    find /sys/class/net /run/netns -mindepth 1 -printf 'net %f\n' 2>/dev/null | sort || true
    find /sys/block/loop*/loop/backing_file -printf 'loop %p\n' 2>/dev/null | sort || true
  } >"$1"
}

# expect_same BEFORE WHAT: within E2E_SETTLE (ten) seconds the system is again as it was in the snapshot.
# Engines and dying processes need a moment; what stays is a residue.
expect_same() {
  local deadline=$((SECONDS + ${E2E_SETTLE:-10}))
  while :; do
    snapshot "$W/snapshot.now"
    if cmp -s "$1" "$W/snapshot.now"; then return 0; fi
    [ "$SECONDS" -lt "$deadline" ] || break
    sleep 0.2
  done
  diff -U0 "$1" "$W/snapshot.now" | tail -n +3 | head -40 >&2 || true
  fail "$2 left something behind (- before, + after)"
}
