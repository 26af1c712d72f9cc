# shellcheck shell=bash
# What the tests of the main job share: signed image, sealed dataset, checks of the outcome.
# Sourced after lib.sh.

# prepare_job: the site, a signed copy of the demo's layout, the sealed tables.
prepare_job() {
  require_casemate
  write_host_config "${1:-.}"
  site_sign_image
  site_seal "$W/digits.sealed"
}

# python_job NAME CODE: a signed request that runs other code of the signed image, and the bundle that
# asks for just that: $W/NAME.job and $W/NAME.
python_job() {
  local process
  process=$(jq -cn --arg code "$2" '{cwd: "/", args: ["/usr/bin/python3", "-c", $code]}')
  site_job "$W/$1.job" "$W/digits.sealed" ".process = $process"
  site_changed_bundle "$W/$1" "$W/bundle" ".process += $process"
}
SLEEPER='import time; print("up", flush=True); time.sleep(600)'

# expect_trained TEXT: the job's own words.
expect_trained() {
  expect_contains "$1" 'uid 1000, 1437 samples' 'the job read its dataset'
  expect_contains "$1" 'final accuracy 0.9' 'the job trained'
}

# What the containers before the first job left: every container writes a receipt.
EARLIER_RECEIPTS=0
count_earlier_receipts() { EARLIER_RECEIPTS=$(find "$W/data/receipts" -type f | wc -l); }

# expect_evidence RECEIPTS: that many receipts, all of them and the audit log verify, and the
# plaintext is gone: no descriptor, mount or file of this system holds the dataset any more.
expect_evidence() {
  local receipt
  expect_eq "$(find "$W/data/receipts" -type f | wc -l)" "$((EARLIER_RECEIPTS + $1))" 'number of receipts'
  site_evidence || fail 'receipts or audit log do not verify'
  receipt=$("$CASECTL" receipt show "$(site_last_receipt)")
  expect_contains "$receipt" "$(oci_manifest_digest "$DEMO_LAYOUT" "$DEMO_TAG")" 'receipt: image'
  expect_contains "$receipt" digits 'receipt: dataset'
}
