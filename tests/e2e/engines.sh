# shellcheck shell=bash
# Private daemons on private sockets, all state under $W. Sourced after lib.sh.

# stop_pid PID: TERM, a bounded wait, KILL.
stop_pid() {
  kill -TERM "$1" 2>/dev/null || return 0
  if ! wait_until 15 pid_gone "$1"; then kill -KILL "$1" 2>/dev/null || true; fi
  wait "$1" 2>/dev/null || true
}

pid_gone() {
  [ ! -d "/proc/$1" ] || grep -q '^State:.Z' "/proc/$1/status" 2>/dev/null
}

# start_dockerd: a dockerd with the runtime registered as "casemate" and as
# the default. Debian's client, since another one may come first in PATH.
start_dockerd() {
  local arguments='[]'
  if is_casemate; then arguments=$(jq -cn --arg file "$W/casemate.json" '["--config", $file]'); fi
  export DOCKER_HOST=unix://$W/docker.sock
  jq -n --arg w "$W" --arg runtime "$RUNTIME" --argjson arguments "$arguments" '{
    "data-root": "\($w)/docker", "exec-root": "\($w)/docker-exec", hosts: ["unix://\($w)/docker.sock"],
    pidfile: "\($w)/docker.pid", bridge: "none", iptables: false, ip6tables: false,
    "ip-forward": false, "ip-masq": false, "storage-driver": "overlay2",
    "exec-opts": ["native.cgroupdriver=cgroupfs"], "default-runtime": "casemate",
    runtimes: {casemate: {path: $runtime, runtimeArgs: $arguments}}}' >"$W/daemon.json"
  dockerd --config-file "$W/daemon.json" >"$W/dockerd.log" 2>&1 &
  E2E_DAEMONS+=($!)
  wait_until 30 docker version || { tail -20 "$W/dockerd.log" >&2; fail 'dockerd did not start'; }
}

docker() { /usr/bin/docker "$@"; }
export -f docker

start_containerd() {
  CONTAINERD_SOCKET=$W/c.sock
  cat >"$W/containerd.toml" <<TOML
version = 2
root = "$W/containerd"
state = "$W/containerd-state"
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.internal.v1.opt"]
[grpc]
  address = "$CONTAINERD_SOCKET"
[ttrpc]
  address = "$CONTAINERD_SOCKET.ttrpc"
TOML
  containerd --config "$W/containerd.toml" >"$W/containerd.log" 2>&1 &
  E2E_DAEMONS+=($!)
  wait_until 30 run_ctr version || { tail -20 "$W/containerd.log" >&2; fail 'containerd did not start'; }
}

run_ctr() { ctr --address "$CONTAINERD_SOCKET" "$@"; }

# podman's files; PODMAN then names a command with the runtime in it.
prepare_podman() {
  mkdir -p "$W/podman"
  cat >"$W/podman/containers.conf" <<CONF
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
tmp_dir = "$W/podman/tmp"
conmon_path = ["/usr/bin/conmon"]
[network]
network_config_dir = "$W/podman/net"
CONF
  cat >"$W/podman/storage.conf" <<CONF
[storage]
driver = "overlay"
graphroot = "$W/podman/graph"
runroot = "$W/podman/run"
CONF
  export CONTAINERS_CONF=$W/podman/containers.conf CONTAINERS_STORAGE_CONF=$W/podman/storage.conf
  PODMAN=$W/podman/command
  # Its clean-up process is told the runtime's name and no flags: they go into a wrapper.
  # shellcheck disable=SC2016  # "$@" belongs to the script
  printf '#!/bin/sh\nexec podman --runtime %s "$@"\n' "$(runtime_wrapper)" >"$PODMAN"
  chmod 0755 "$PODMAN"
  export PODMAN
}
