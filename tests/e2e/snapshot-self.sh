#!/usr/bin/env bash
# The comparison that the other tests rely on must itself see each kind of residue.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

E2E_SETTLE=1  # seconds; the residues here do not go away by themselves

# sees WHAT: the comparison must fail now.
sees() {
  if (expect_same "$W/before" "$1") 2>"$W/sees.err"; then fail "a residue was not seen: $1"; fi
  expect_contains "$(cat "$W/sees.err")" 'left something behind' "$1"
}

e2e_begin
snapshot "$W/before"
expect_same "$W/before" 'nothing'

step 'a process'
sleep 600 &
sees 'a process'
kill "$!"
wait "$!" 2>/dev/null || true

step 'a mount here, and one in another mount namespace'
mount -t tmpfs residue /mnt
sees 'a mount'
umount /mnt
unshare --mount sleep 600 &
sleep 0.1
sees 'a mount namespace'
kill "$!"
wait "$!" 2>/dev/null || true

step 'a cgroup'
hierarchies=$(all_cgroups)
cgroup=${hierarchies%%$'\n'*}/e2e-residue.$RANDOM
mkdir "$cgroup"
sees 'a cgroup'
rmdir "$cgroup"

step 'shared memory, a state file, a descriptor, a network interface'
touch /dev/shm/residue
sees 'a file in /dev/shm'
rm /dev/shm/residue
mkdir "$W/state/residue"
sees 'a state folder'
rmdir "$W/state/residue"
exec 9</dev/null
sees 'a descriptor'
exec 9<&-
ip link add residue type dummy 2>/dev/null || ip link add residue type veth
sees 'a network interface'
ip link delete residue
expect_same "$W/before" 'after removing everything'
