# shellcheck shell=bash
# Which Debian 12 packages each purpose needs, and how they get here. Sourced, never run.

PACKAGES_BUILD=(g++ cmake ninja-build pkg-config libseccomp-dev libcap-ng-dev libselinux1-dev
  libssl-dev nlohmann-json3-dev libgtest-dev libarchive-dev libsodium-dev libjose-dev
  libipsec-mb-dev libsystemd-dev)
# mmdebstrap makes the training image, jq writes its JSON.
PACKAGES_DEMO=(mmdebstrap jq openssl)
PACKAGES_TEST=(groff-base jose docker.io containerd podman conmon runc crun busybox-static age strace
  iptables iproute2 procps git hyperfine time python3-minimal codespell shellcheck ccache
  clang-19 libclang-rt-19-dev clang-tidy-19 clang-format-19)

# packages_missing NAME…: prints those that are not installed. One dpkg-query, a few milliseconds.
packages_missing() {
  local installed
  installed=$(dpkg-query -W -f='${Package} ${db:Status-Status}\n' "$@" 2>/dev/null |
    awk '$2 == "installed" {print $1}' || true)
  comm -23 <(printf '%s\n' "$@" | sort -u) <(sort -u <<<"$installed")
}

# Debian's engines start their own daemons when they are installed; the tests need only the files.
# A policy-rc.d that is there already is the machine's own and stays.
install_without_services() {
  local policy=/usr/sbin/policy-rc.d ours=0 status=0
  if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 0755 "$policy"
    ours=1
  fi
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
    -o Dpkg::Use-Pty=0 "$@" >/dev/null || status=$?
  [ "$ours" -eq 0 ] || rm -f "$policy"
  return "$status"
}

# packages_install NAME…: installs what is missing; silent and fast when nothing is.
packages_install() {
  local missing
  mapfile -t missing < <(packages_missing "$@")
  [ "${#missing[@]}" -gt 0 ] || return 0
  [ "$(id -u)" -eq 0 ] || die "packages are missing (${missing[*]}): run scripts/setup as root once"
  printf 'installing %d packages: %s\n' "${#missing[@]}" "${missing[*]}"
  apt-get update -qq
  install_without_services "${missing[@]}" || die "apt-get could not install: ${missing[*]}"
}
