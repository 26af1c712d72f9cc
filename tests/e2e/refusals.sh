#!/usr/bin/env bash
# Every refusal of the main job: exit code by class, one line that names the rule, the JSON line
# that containerd reads, an audit record, and no residue.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/e2e/job.sh
. "$E2E_DIR/job.sh"

declare -A EXIT_CODE=([denied]=1 [bad_input]=2 [unsupported]=4)
number=0

# refused WHAT CLASS RULE BUNDLE [JOB_FILE]: runs the job and expects the refusal. RULE is an
# extended regular expression that the whole rule id must match.
refused() {
  local what=$1 class=$2 rule=$3 bundle=$4 job=${5:-} line arguments=()
  step "$what"
  number=$((number + 1))
  [ -z "$job" ] || arguments=(--job "$job")
  rm -f "$W/log.json"
  run_status runtime --log "$W/log.json" --log-format json run --bundle "$bundle" "${arguments[@]}" "refused-$number"
  expect_eq "$STATUS" "${EXIT_CODE[$class]}" "exit code of class $class ($what; stderr: $ERR)"
  expect_eq "$(wc -l <"$W/err")" 1 "lines on stderr ($ERR)"
  [[ $ERR =~ ^.*${class//_/[_ -]}\ \[($rule)\] ]] || fail "expected '$class [$rule]' in: $ERR"
  line=$(tail -1 "$W/log.json")
  expect_eq "$(jq -er .level <<<"$line")" error 'level of the log line'
  [[ $(jq -er .rule <<<"$line") =~ ^($rule)$ ]] || fail "rule of the log line: $line"
  tail -1 "$W/data/audit/audit.jsonl" | grep -qE "\"($rule)\"" ||
    fail "no audit record with the rule: $(tail -1 "$W/data/audit/audit.jsonl")"
  expect_same "$W/before" "$what"
}

changed_bundle() {  # NAME JQ_FILTER: its path on stdout
  site_changed_bundle "$W/$1" "$W/bundle" "$2"
  printf '%s' "$W/$1"
}

job() {  # NAME [JQ_FILTER] [KEY] [SEALED]: a fresh signed request, its path on stdout
  site_job "$W/$1.job" "${4:-$W/digits.sealed}" "${2:-.}" "${3:-scheduler}"
  printf '%s' "$W/$1.job"
}

e2e_begin
prepare_job
demo_bundle "$W/bundle"
expect_status 0 runtime run --bundle "$W/bundle" --job "$(job warm)" warm
snapshot "$W/before"

# --- the image
site_unsigned_layout "$W/layout.unsigned"
site_config ".paths.layouts = [\"$W/layout.unsigned\"]"
refused 'an unsigned image' denied 'image\.(unsigned|signature)' "$W/bundle" "$(job unsigned)"

site_config ".signers[0].key = \"$(key_public globex)\""
refused 'an image signed by a key that is not trusted' denied 'image\.(signature|key|unsigned)' "$W/bundle" "$(job signer)"
site_config

cp -a "$W/bundle" "$W/changed-root"
printf '# one more line\n' >>"$W/changed-root/rootfs/opt/train/train.py"
refused 'a rootfs that differs from its layers' denied 'image\.content' "$W/changed-root" "$(job content)"
rm -rf "$W/changed-root"

cp -a "$W/bundle" "$W/linked-root"
ln -s /opt/train/train.py "$W/linked-root/rootfs/etc/hosts"
printf 'print("mine")\n' >"$W/hosts"
ENGINE_HOSTS=".mounts += [{destination: \"/etc/hosts\", type: \"bind\", source: \"$W/hosts\", options: [\"bind\"]}]"
edit_config "$W/linked-root" "$ENGINE_HOSTS"
refused "a link of the caller's below an engine's file" denied 'image\.content' "$W/linked-root" "$(job linked)"
rm -rf "$W/linked-root"

refused 'a job for another image' denied '(job\.image|image\.(digest|not-found|content))' "$W/bundle" \
  "$(job digest '.image.digest = "sha256:" + ("0" * 64)')"
refused 'a job for another repository' denied '(job\.image|image\.repository)' "$W/bundle" \
  "$(job repository '.image.repository = "registry.example/acme/other"')"

# --- the dataset
size=$(stat -c %s "$W/digits.sealed")
for offset in 64 $((size / 2)) $((size - 1)); do
  cp "$W/digits.sealed" "$W/bent.sealed"
  flip_bit "$W/bent.sealed" "$offset"
  step "a tampered dataset (byte $offset)"
  run_status runtime run --bundle "$W/bundle" --job "$(job "bent$offset" . scheduler "$W/bent.sealed")" "bent-$offset"
  [[ $STATUS -eq 1 || $STATUS -eq 2 ]] || fail "exit code $STATUS: $ERR"
  [[ $ERR =~ \[dataset\.[a-z-]+\] ]] || fail "no dataset rule in: $ERR"
  expect_same "$W/before" "a tampered dataset (byte $offset)"
done
head -c $((size - 1)) "$W/digits.sealed" >"$W/short.sealed"
refused 'a truncated dataset' bad_input 'dataset\.(truncated|tampered|format)' "$W/bundle" "$(job short . scheduler "$W/short.sealed")"
{ cat "$W/digits.sealed"; printf x; } >"$W/long.sealed"
refused 'a dataset with one more byte' bad_input 'dataset\.(truncated|tampered|format)' "$W/bundle" "$(job long . scheduler "$W/long.sealed")"
site_seal "$W/globex.sealed" globex
refused "another tenant's dataset" denied 'dataset\.(tenant|signature)' "$W/bundle" "$(job tenant . scheduler "$W/globex.sealed")"
refused 'a dataset under another name' denied 'dataset\.id' "$W/bundle" "$(job id '.datasets[0].id = "faces"')"

# --- the job request
refused 'a request that another key signed' denied '(jws\.signature|job\.scheduler)' "$W/bundle" "$(job forged . globex)"
jq '.payload = (.payload[:-8] + "AAAAAAAA")' "$(job bent-request)" >"$W/bent-request2.job"
refused 'a request changed after signing' denied 'jws\.signature' "$W/bundle" "$W/bent-request2.job"
refused 'an expired request' denied 'job\.expired' "$W/bundle" \
  "$(job expired '.issued = "2026-01-01T00:00:00Z" | .expires = "2026-01-01T01:00:00Z"')"
refused 'a request for a tenant that the scheduler may not name' denied 'job\.(tenant|scheduler)' "$W/bundle" "$(job other '.tenant = "globex"')"
refused 'a request for a profile that is not its to name' denied '(job|selection)\.profile' "$W/bundle" "$(job profile '.profile = "lab"')"
refused 'a request used twice' denied 'job\.replayed' "$W/bundle" "$W/warm.job"
printf '{"version": 1, "version": 1}' >"$W/garbage.job"
refused 'a request that is no JWS' bad_input '(jws|json|job)\.[a-z-]+' "$W/bundle" "$W/garbage.job"

# --- the configuration
refused '--privileged' denied 'privileged\.request' "$(changed_bundle privileged "$SITE_PRIVILEGED")" "$(job privileged)"
refused 'another entrypoint' denied 'process\.args' \
  "$(changed_bundle entrypoint '.process.args = ["/usr/bin/python3", "-c", "print(1)"]')" "$(job entrypoint)"
refused 'a request too long for an audit record' denied 'process\.args' \
  "$(changed_bundle padded '.process.args = ["/usr/bin/python3", "-c", "x" * 40000]')" "$(job padded)"
refused 'an environment that the image does not have' denied 'process\.env' \
  "$(changed_bundle env '.process.env += ["LD_PRELOAD=/data/mine.so"]')" "$(job env)"
refused 'another user' denied '(process\.user|user\.(uid|root))' \
  "$(changed_bundle user '.process.user = {uid: 0, gid: 0}')" "$(job user)"
refused 'another working directory' denied 'process\.cwd' \
  "$(changed_bundle cwd '.process.cwd = "/data"')" "$(job cwd)"
printf 'print("mine")\n' >"$W/mine.py"
refused 'a bind over verified code' denied 'mounts\.[a-z-]+' \
  "$(changed_bundle bind ".mounts += [{destination: \"/opt/train/train.py\", type: \"bind\", source: \"$W/mine.py\", options: [\"bind\", \"ro\"]}]")" "$(job bind)"
mkdir -p "$W/home/.containerenv"
refused 'a folder in the place of an engine file' denied 'mounts\.rule' \
  "$(changed_bundle folder ".mounts += [{destination: \"/run/.containerenv\", type: \"bind\", source: \"$W/home/.containerenv\", options: [\"bind\"]}] | .process.env += [\"HOME=/run/.containerenv\"]")" "$(job folder)"
ln -s "$W/mine.py" "$W/home/hosts"
refused 'a link in the place of an engine file' denied 'mounts\.rule' \
  "$(changed_bundle link ".mounts += [{destination: \"/etc/hosts\", type: \"bind\", source: \"$W/home/hosts\", options: [\"bind\"]}]")" "$(job link)"
refused 'a filter that answers calls' denied 'seccomp\.answers' \
  "$(changed_bundle filter '.linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW", syscalls: [{names: ["openat"], action: "SCMP_ACT_ERRNO", errnoRet: 0}]}')" "$(job filter)"
refused "the machine's console" denied 'devices\.node' \
  "$(changed_bundle console '.linux.devices += [{path: "/dev/c", type: "c", major: 5, minor: 1, fileMode: 438}]')" "$(job console)"
refused 'the host network' denied '(namespaces\.required|network\.host)' \
  "$(changed_bundle network '.linux.namespaces |= [.[] | select(.type != "network")]')" "$(job network)"
refused 'the host pid namespace' denied 'namespaces\.required' \
  "$(changed_bundle pid '.linux.namespaces |= [.[] | select(.type != "pid")]')" "$(job pid)"
mkdir -p "$W/twice"
sed '0,/{/s//{"ociVersion": "1.0.2",/' "$W/bundle/config.json" >"$W/twice/config.json"
refused 'a config.json with a key twice' bad_input 'json\.[a-z-]+' "$W/twice" "$(job twice)"
mkdir -p "$W/trailing"
{ cat "$W/bundle/config.json"; printf '{}'; } >"$W/trailing/config.json"
refused 'a config.json with trailing data' bad_input 'json\.[a-z-]+' "$W/trailing" "$(job trailing)"
refused 'no bundle' bad_input '[a-z]+\.[a-z.-]+' "$W/nowhere"

step "systemd's notation without --systemd-cgroup"
run_status runtime run --bundle "$(changed_bundle unit '.linux.cgroupsPath = "system.slice:docker:x"')" --job "$(job unit)" refused-unit
expect_eq "$STATUS" 4 "exit code (stderr: $ERR)"
expect_contains "$ERR" '[cgroup.systemd]: cgroup path "system.slice:docker:x"' 'the rule'
expect_same "$W/before" "systemd's notation"
step '--systemd-cgroup on a host that systemd does not run'
run_status runtime --systemd-cgroup run --bundle "$W/bundle" --job "$(job systemd)" refused-systemd
expect_eq "$STATUS" 4 "exit code (stderr: $ERR)"
expect_contains "$ERR" '[cgroup.systemd-absent]' 'the rule'
expect_contains "$ERR" "the engine's cgroupfs driver" 'what to do about it'
expect_same "$W/before" 'a host without systemd'

# --- the host's own configuration
site_config '.rules = [{deny: true}]'
refused 'a host whose rules allow nothing' denied 'selection\.denied' "$W/bundle" "$(job rules)"
site_config '. + {unknown: 1}'
step 'a host configuration with an unknown key: nothing starts'
run_status runtime run --bundle "$W/bundle" refused-config
expect_eq "$STATUS" 2 "exit code (stderr: $ERR)"
expect_contains "$ERR" 'unknown' 'the error names the key'
expect_same "$W/before" 'an unreadable host configuration'
site_config

step 'after all refusals the job still runs, and the audit log verifies'
expect_status 0 runtime run --bundle "$W/bundle" --job "$(job again)" again
expect_trained "$OUT"
site_evidence || fail 'receipts or audit log do not verify'
