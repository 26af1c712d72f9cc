#!/usr/bin/env bash
# The main job under enforcing SELinux: its root, its dataset and its own mounts carry the label that
# the engine chose, so that a confined process reads and writes them and no other container's can.
# kernel: security=selinux enforcing=1
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/../e2e/lib.sh"
# shellcheck source=tests/e2e/job.sh
. "$E2E_DIR/job.sh"

export E2E_TIMEOUT=400  # emulated processors
LEVEL=s0:c7,c9
LABELLED=".process.selinuxLabel = \"system_u:system_r:container_t:$LEVEL\"
  | .linux.mountLabel = \"system_u:object_r:container_file_t:$LEVEL\""

e2e_begin
prepare_job
demo_bundle "$W/bundle"
# As engines label their store: overlayfs has mappings of a file checked against the lower one too.
chcon -R system_u:object_r:container_ro_file_t:s0 "$W/bundle/rootfs"
edit_config "$W/bundle" "$LABELLED"
busybox_bundle "$W/true" true
expect_status 0 runtime run --bundle "$W/true" warm
count_earlier_receipts
snapshot "$W/before"

step 'the job trains on its dataset, confined; receipt and audit log verify'
site_job "$W/job.json" "$W/digits.sealed"
expect_status 0 runtime run --bundle "$W/bundle" --job "$W/job.json" job-1
expect_trained "$OUT"
expect_same "$W/before" 'the job'
expect_evidence 1

step 'what the job sees: its label, on itself and on its root, its data and its own files'
python_job labels 'import os
print(open("/proc/self/attr/current").read().strip("\0\n"))
open("/tmp/new", "w").close()
for path in ("/", "/usr/bin/python3", "/data", "/data/digits.csv.gz", "/tmp/new"):
    print(path, os.getxattr(path, "security.selinux").decode().strip("\0"))'
expect_status 0 runtime run --bundle "$W/labels" --job "$W/labels.job" labels
expect_eq "$(awk '{print $NF}' <<<"$OUT" | sort | uniq -c | tr -s ' ')" \
  " 5 system_u:object_r:container_file_t:$LEVEL
 1 system_u:system_r:container_t:$LEVEL" 'labels'
expect_same "$W/before" 'the job that looks at labels'
expect_evidence 2

step 'without the label of the mounts the policy keeps the job from its data'
python_job unlabelled 'import os
os.listdir("/data")'
edit_config "$W/unlabelled" 'del(.linux.mountLabel)'
run_status runtime run --bundle "$W/unlabelled" --job "$W/unlabelled.job" unlabelled
[ "$STATUS" -ne 0 ] || fail 'a confined job read what has no label of its own'
expect_same "$W/before" 'the job without labels'
