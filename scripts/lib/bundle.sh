# shellcheck shell=bash
# OCI runtime bundles as an engine would write them (Docker's shape). Sourced after common.sh.

# Docker's fourteen.
BUNDLE_CAPABILITIES='["CAP_CHOWN","CAP_DAC_OVERRIDE","CAP_FSETID","CAP_FOWNER","CAP_MKNOD",
  "CAP_NET_RAW","CAP_SETGID","CAP_SETUID","CAP_SETFCAP","CAP_SETPCAP","CAP_NET_BIND_SERVICE",
  "CAP_SYS_CHROOT","CAP_KILL","CAP_AUDIT_WRITE"]'

# process_of_image CONFIG_JSON: the OCI process that the image itself asks for.
process_of_image() {
  jq -c '.config | ((.User // "0") | split(":")) as $user | {
    terminal: false,
    user: {uid: ($user[0] | tonumber? // 0), gid: ($user[1] // "0" | tonumber? // 0)},
    args: ((.Entrypoint // []) + (.Cmd // [])),
    env: (.Env // ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]),
    cwd: (if (.WorkingDir // "") == "" then "/" else .WorkingDir end)}' <<<"$1"
}

# bundle_config PROCESS_JSON [HOSTNAME]: prints a config.json of Docker's shape for that process.
# A process without root gets no capability, as with Docker: only the bounding set.
bundle_config() {
  jq -n --argjson process "$1" --argjson caps "$BUNDLE_CAPABILITIES" --arg host "${2:-casemate}" '
  def dev($major; $minor): {allow: true, type: "c", major: $major, minor: $minor, access: "rwm"};
  {
    ociVersion: "1.0.2",
    process: ($process + {
      capabilities: (if $process.user.uid == 0
        then {bounding: $caps, effective: $caps, permitted: $caps} else {bounding: $caps} end),
      noNewPrivileges: true, oomScoreAdj: 0}),
    root: {path: "rootfs"},
    hostname: $host,
    mounts: [
      {destination: "/proc", type: "proc", source: "proc", options: ["nosuid", "noexec", "nodev"]},
      {destination: "/dev", type: "tmpfs", source: "tmpfs",
       options: ["nosuid", "strictatime", "mode=755", "size=65536k"]},
      {destination: "/dev/pts", type: "devpts", source: "devpts",
       options: ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]},
      {destination: "/sys", type: "sysfs", source: "sysfs",
       options: ["nosuid", "noexec", "nodev", "ro"]},
      {destination: "/sys/fs/cgroup", type: "cgroup", source: "cgroup",
       options: ["ro", "nosuid", "noexec", "nodev"]},
      {destination: "/dev/mqueue", type: "mqueue", source: "mqueue",
       options: ["nosuid", "noexec", "nodev"]},
      {destination: "/dev/shm", type: "tmpfs", source: "shm",
       options: ["nosuid", "noexec", "nodev", "mode=1777", "size=67108864"]}],
    linux: {
      resources: {devices: [{allow: false, access: "rwm"}, dev(1; 5), dev(1; 3), dev(1; 9),
        dev(1; 8), dev(5; 0), dev(5; 1)], pids: {limit: 256}},
      namespaces: [{type: "mount"}, {type: "network"}, {type: "uts"}, {type: "pid"}, {type: "ipc"}],
      maskedPaths: ["/proc/asound", "/proc/acpi", "/proc/kcore", "/proc/keys",
        "/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug",
        "/proc/scsi", "/sys/firmware"],
      readonlyPaths: ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]
    }
  }'
}

# busybox_bundle DIR ARG…: a bundle with Debian's static busybox that runs ARG… as root.
busybox_bundle() {
  local dir=$1 args
  shift
  busybox_rootfs "$dir/rootfs"
  args=$(jq -cn '$ARGS.positional' --args -- "$@")
  bundle_config "$(jq -cn --argjson args "$args" '{terminal: false, user: {uid: 0, gid: 0},
    args: $args, env: ["PATH=/bin"], cwd: "/"}')" >"$dir/config.json"
}

# busybox_rootfs DIR: the smallest tree that has a shell and the usual mount points.
busybox_rootfs() {
  local applet
  mkdir -p "$1"/{bin,dev,etc,proc,root,run,sys,tmp,data}
  chmod 1777 "$1/tmp"
  cp -- "$(command -v busybox)" "$1/bin/busybox"
  for applet in sh true false cat echo ls sleep id mount grep kill ps head wc touch hostname env; do
    ln -sf busybox "$1/bin/$applet"
  done
  printf 'root:x:0:0::/root:/bin/sh\njob:x:1000:1000::/tmp:/bin/sh\n' >"$1/etc/passwd"
  printf 'root:x:0:\njob:x:1000:\n' >"$1/etc/group"
}
