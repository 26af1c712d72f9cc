#!/usr/bin/env bash
# Every command of the README, as it stands there, with the programs and the configuration where it
# says they are: /usr/bin and /etc are overlays of this test's own. Words in capitals are the
# reader's to fill in.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/e2e/job.sh
. "$E2E_DIR/job.sh"

README=$ROOT/README.md
BUSYBOX=busybox:e2e
TRAIN=acme/train:1

# blocks LANGUAGE: the fenced blocks of that language, comments and line breaks taken out of commands.
blocks() {
  awk -v fence="\`\`\`$1" '$0 == fence {on = 1; next} /^```/ {on = 0} on' "$README"
}
commands() {
  blocks sh | sed -e ':join' -e '/\\$/{N;s/ *\\\n */ /;b join}' -e 's/  *#.*//' | grep .
}

over() {  # FOLDER: an overlay, so that what is installed stays ours
  mkdir -p "$W/over$1/upper" "$W/over$1/work"
  mount -t overlay -o "lowerdir=$1,upperdir=$W/over$1/upper,workdir=$W/over$1/work" readme "$1"
}

# try PATTERN [WORD=VALUE…]: runs the README's next command that begins with the pattern.
try() {
  local pattern=$1 line
  shift
  line=$(grep -m 1 -nE -- "^$pattern" "$W/left") || fail "the README has no more command like '$pattern'"
  sed -i "${line%%:*}d" "$W/left"
  line=${line#*:}
  while [ $# -gt 0 ]; do
    line=${line//"${1%%=*}"/"${1#*=}"}
    shift
  done
  E2E_TIMEOUT=120 run_status bash -c "$line"
  [ "$STATUS" -eq 0 ] || fail "exit code $STATUS: $line (stdout: $OUT) (stderr: $ERR)"
}

e2e_begin
require_casemate
commands >"$W/left"
over /usr/bin
over /etc
cp -- "$BIN"/{casemate,casemate-warden,casemate-verify,casemate-unseal,casectl} /usr/bin/
SITE=$W
site_keys

step 'try it: the demo has a test of its own, this is part of another, and of its long form the third'
for command in scripts/demo scripts/test 'scripts/vm test'; do
  [ -x "$ROOT/${command%% *}" ] || fail "no $command"
  sed -i "\,^$command\$,d" "$W/left"
done

step 'from key to receipt'
mkdir "$W/hands" && cd "$W/hands"
cp -a -- "$DEMO_DIR/layout" layout
DEMO_LAYOUT=$W/hands/layout
try 'casectl key generate'
try 'casectl image sign' LAYOUT=layout
try 'casectl dataset keygen'
try 'casectl key generate'
try 'casectl dataset seal' FOLDER="$DEMO_DATASET"
try 'casectl key generate'
site_request "$W/hands/digits.sealed" >request.json
try 'casectl job sign'

mkdir -p /etc/casemate
site_config ".signers[0].key = \"$W/hands/release.pub\" | .schedulers[0].key = \"$W/hands/scheduler.pub\"
  | .tenants[0].keys = [\"$W/hands/acme.pub\"] | .paths.layouts = [\"$W/hands/layout\"]
  | .keys = [{kid: \"$(jq -r .kid host.pub.jwk)\", file: \"$W/hands/host.jwk\"}]"
install -m 0644 "$W/casemate.json" /etc/casemate/casemate.json
demo_bundle "$W/bundle"
try 'casemate run' DIR="$W/bundle" /path/job.json="$W/hands/job.json" ID=hands
expect_trained "$OUT"
cp -- "$W/data/keys/receipt.pub" "$W/data/audit/audit.jsonl" .
try 'casectl receipt verify' RECEIPT="$(site_last_receipt)"
try 'casectl audit verify'

# new_job: the next request, good once.
new_job() {
  site_request "$W/hands/digits.sealed" >request.json
  casectl job sign --key scheduler --kid scheduler request.json -o job.json >/dev/null
}

step 'without an engine'
new_job
try 'casemate run' DIR="$W/bundle" /path/job.json="$W/hands/job.json" ID=again
expect_trained "$OUT"

step 'write a profile'
jq '.name = "my-profile"' "$ROOT/profiles/restricted.json" >my-profile.json
try 'casectl policy lint'
site_request "$W/hands/digits.sealed" '.profile = "my-profile"' >request.json
casectl job sign --key scheduler --kid scheduler request.json -o job.json >/dev/null
try 'casectl policy check' DIR="$W/bundle" LAYOUT=layout

step 'Docker, registered as the README says'
mkdir -p /etc/docker
start_dockerd_with() {
  blocks json >/etc/docker/daemon.json
  export DOCKER_HOST=unix://$W/docker.sock
  dockerd --data-root "$W/docker" --exec-root "$W/docker-exec" --host "$DOCKER_HOST" --pidfile "$W/docker.pid" \
    --bridge none --iptables=false --ip6tables=false --exec-opt native.cgroupdriver=cgroupfs >"$W/dockerd.log" 2>&1 &
  E2E_DAEMONS+=($!)
  wait_until 30 docker version || { tail -20 "$W/dockerd.log" >&2; fail 'dockerd did not start'; }
}
start_dockerd_with
docker_archive "$DEMO_LAYOUT" "$DEMO_TAG" "$W/image.tar" "$TRAIN"
docker load --quiet --input "$W/image.tar" >/dev/null
docker load --quiet --input "$ROOT/build/e2e/busybox/docker.tar" >/dev/null
try 'docker run' IMAGE="$BUSYBOX"
new_job
try 'docker run' IMAGE="$TRAIN" /path/job.json="$W/hands/job.json"
expect_trained "$OUT"

step 'containerd, configured as the README says'
mkdir -p /etc/containerd
blocks toml >/etc/containerd/config.toml
export CONTAINERD_ADDRESS=$W/c.sock
expect_contains "$(containerd --config /etc/containerd/config.toml config dump)" 'BinaryName = "/usr/bin/casemate"' \
  'the runtime class'
containerd --config /etc/containerd/config.toml --root "$W/containerd" --state "$W/containerd-state" \
  --address "$CONTAINERD_ADDRESS" >"$W/containerd.log" 2>&1 &
E2E_DAEMONS+=($!)
wait_until 30 ctr version || { tail -20 "$W/containerd.log" >&2; fail 'containerd did not start'; }
oci_archive "$DEMO_LAYOUT" "$W/train.tar" "registry.example/$TRAIN" "$DEMO_TAG"
ctr image import "$W/train.tar" >/dev/null
ctr image import "$ROOT/build/e2e/busybox/oci.tar" >/dev/null
try 'ctr run' IMAGE="registry.example/$BUSYBOX" ID='plain true'  # its shell would wait for ctr to close stdin
new_job
try 'ctr run' IMAGE="registry.example/$TRAIN" ID=job /path/job.json="$W/hands/job.json"
expect_trained "$OUT"

step 'podman'
prepare_podman
tar --create --directory "$ROOT/build/e2e/busybox/rootfs" . |
  podman import --change 'CMD ["true"]' - "$BUSYBOX" >/dev/null 2>&1
try podman IMAGE="$BUSYBOX"

step 'no command is left that was not run'
expect_eq "$(cat "$W/left")" '' 'commands of the README that no test runs'
