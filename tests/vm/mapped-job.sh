#!/usr/bin/env bash
# A job in a user namespace: the dataset belongs to the job's user as the host knows it.
# kernel:
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/../e2e/lib.sh"
# shellcheck source=tests/e2e/job.sh
. "$E2E_DIR/job.sh"

export E2E_TIMEOUT=400  # emulated processors
MAPPED='.linux.namespaces += [{type: "user"}]
  | .linux.uidMappings = [{containerID: 0, hostID: 100000, size: 65536}]
  | .linux.gidMappings = [{containerID: 0, hostID: 100000, size: 65536}]'

# use_profile NAME: jobs run under it, with the dataset and the image of the site.
use_profile() {
  write_host_config ".paths.profiles += [\"$W/profiles\"] | .schedulers[0].profiles += [\"mapped\"]
    | .rules[0].profile = \"$1\""
}

e2e_begin
prepare_job
mkdir "$W/profiles"
jq '.name = "mapped" | .rootfs.tmpfs_upper = false | del(.rootfs.upper_bytes)' \
  "$ROOT/profiles/restricted.json" >"$W/profiles/mapped.json"
demo_bundle "$W/bundle"
edit_config "$W/bundle" "$MAPPED"
busybox_bundle "$W/true" true
expect_status 0 runtime run --bundle "$W/true" warm
count_earlier_receipts
snapshot "$W/before"

step 'with a writable layer of its own it is refused, by name, and nothing is decrypted'
use_profile restricted
site_job "$W/job.json" "$W/digits.sealed"
expect_status 4 runtime run --bundle "$W/bundle" --job "$W/job.json" layered
expect_contains "$ERR" '[rootfs.user-namespace]' 'the refusal'
expect_same "$W/before" 'the refused job'

step 'the job reads the dataset that only its own user may read'
use_profile mapped
site_job "$W/job.json" "$W/digits.sealed" '.profile = "mapped"'
expect_status 0 runtime run --bundle "$W/bundle" --job "$W/job.json" mapped
expect_trained "$OUT"
expect_same "$W/before" 'the mapped job'
expect_evidence 1
