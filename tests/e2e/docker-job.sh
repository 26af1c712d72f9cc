#!/usr/bin/env bash
# The main job through a real Docker daemon: the request comes as a read-only bind mount.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/e2e/job.sh
. "$E2E_DIR/job.sh"

job_run() {  # JOB_FILE IMAGE ARG…
  local job=$1
  shift
  docker run --network none --volume "$job:/run/casemate/job.json:ro" "$@"
}

e2e_begin
prepare_job
start_dockerd
docker_archive "$DEMO_LAYOUT" "$DEMO_TAG" "$W/image.tar" acme/train:1
docker load --quiet --input "$W/image.tar" >/dev/null
docker load --quiet --input "$ROOT/build/e2e/busybox/docker.tar" >/dev/null
expect_status 0 docker run --rm --network none busybox:e2e true
snapshot "$W/before"

step 'docker run of the signed image with a signed job'
site_job "$W/job.json" "$W/digits.sealed"
E2E_TIMEOUT=120 expect_status 0 job_run "$W/job.json" --rm acme/train:1
expect_trained "$OUT"
expect_same "$W/before" 'the job'
receipts=$(find "$W/data/receipts" -type f | wc -l)
site_evidence || fail 'receipts or audit log do not verify'

step 'the same job a second time is refused: it is good once'
run_status job_run "$W/job.json" --rm acme/train:1
[ "$STATUS" -ne 0 ] || fail 'a used job request was accepted'
expect_contains "$ERR" '[job.replayed]' 'the refusal names its rule'
expect_same "$W/before" 'the refused repetition'

step 'another image under the same kind of job is refused'
site_job "$W/job2.json" "$W/digits.sealed"
run_status job_run "$W/job2.json" --rm busybox:e2e true
[ "$STATUS" -ne 0 ] || fail 'an image that the job does not name was accepted'
expect_contains "$ERR" 'denied [' 'the refusal names its rule'
expect_same "$W/before" 'the refused image'

step 'another entrypoint, or a bind over the code, is refused'
site_job "$W/job3.json" "$W/digits.sealed"
run_status job_run "$W/job3.json" --rm --entrypoint /usr/bin/python3 acme/train:1 -c 'print(1)'
[ "$STATUS" -ne 0 ] || fail 'another entrypoint was accepted'
expect_contains "$ERR" 'denied [' 'the refusal names its rule'
site_job "$W/job4.json" "$W/digits.sealed"
printf 'print("mine")\n' >"$W/mine.py"
run_status job_run "$W/job4.json" --rm --volume "$W/mine.py:/opt/train/train.py:ro" acme/train:1
[ "$STATUS" -ne 0 ] || fail 'a bind over verified code was accepted'
expect_contains "$ERR" 'denied [' 'the refusal names its rule'
expect_same "$W/before" 'the refused commands'

step 'docker kill during the job: everything is wiped, a receipt is there'
demo_bundle "$W/bundle"
python_job long "$SLEEPER"
expect_status 0 job_run "$W/long.job" -d --name long --entrypoint /usr/bin/python3 acme/train:1 -c "$SLEEPER"
wait_until 20 bash -c 'docker logs long | grep -q up' || fail 'the long job did not start'
expect_status 0 docker rm --force long
expect_same "$W/before" 'the killed job'
[ "$(find "$W/data/receipts" -type f | wc -l)" -gt "$receipts" ] || fail 'no receipt of the killed job'
site_evidence || fail 'receipts or audit log do not verify'
