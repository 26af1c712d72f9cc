#!/usr/bin/env bash
# The commands that people type (README.md), with what they say when something is wrong.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/e2e/job.sh
. "$E2E_DIR/job.sh"

e2e_begin
prepare_job
demo_bundle "$W/bundle"

step 'policy lint: the shipped profiles are clean, an unknown key is not'
for profile in "$ROOT"/profiles/*.json; do expect_status 0 "$CASECTL" policy lint "$profile"; done
jq '. + {unknown: 1}' "$ROOT/profiles/restricted.json" >"$W/bad.json"
expect_status 2 "$CASECTL" policy lint "$W/bad.json"
expect_contains "$OUT$ERR" unknown 'the key is named'

step 'policy check: what a profile makes of a bundle'
busybox_bundle "$W/busybox" true
expect_status 0 "$CASECTL" policy check --bundle "$W/busybox" --profile "$ROOT/profiles/baseline.json"
site_changed_bundle "$W/privileged" "$W/busybox" "$SITE_PRIVILEGED"
expect_status 1 "$CASECTL" policy check --bundle "$W/privileged" --profile "$ROOT/profiles/baseline.json"
expect_contains "$OUT$ERR" privileged.request 'the rule is named'
site_request "$W/digits.sealed" >"$W/checked.request"
"$CASECTL" job sign --key "$(key_private scheduler)" --kid scheduler "$W/checked.request" -o "$W/checked.job" >/dev/null
checked=(policy check --bundle "$W/bundle" --profile "$ROOT/profiles/restricted.json")
expect_status 1 "$CASECTL" "${checked[@]}"
expect_contains "$OUT$ERR" image.unverified 'without a job its image is unknown'
expect_status 2 "$CASECTL" "${checked[@]}" --job "$W/checked.job"
expect_status 0 "$CASECTL" "${checked[@]}" --job "$W/checked.job" --layout "$DEMO_LAYOUT"
site_changed_bundle "$W/other-args" "$W/bundle" '.process.args = ["/bin/sh"]'
expect_status 1 "$CASECTL" policy check --bundle "$W/other-args" --profile "$ROOT/profiles/restricted.json" \
  --job "$W/checked.job" --layout "$DEMO_LAYOUT"
expect_contains "$OUT$ERR" process.args 'another program is denied'

step 'image verify: signature, chain and unpacked files'
expect_status 0 "$CASECTL" image verify --layout "$DEMO_LAYOUT" --tag "$DEMO_TAG" \
  --key "$(key_public release)" --repository "$DEMO_REPOSITORY" --rootfs "$W/bundle/rootfs"
expect_status 1 "$CASECTL" image verify --layout "$DEMO_LAYOUT" --tag "$DEMO_TAG" \
  --key "$(key_public globex)" --repository "$DEMO_REPOSITORY"
expect_contains "$ERR" 'image.' 'the rule is named'

step 'an independent check of the signature: openssl over the payload'
signature=$(jq -er '.manifests[] | select(.annotations["org.opencontainers.image.ref.name"] | endswith(".sig")) | .digest' \
  "$DEMO_LAYOUT/index.json" | head -1)
manifest=$(cat "$(blob_path "$DEMO_LAYOUT" "$signature")")
jq -er '.layers[0].annotations["dev.cosignproject.cosign/signature"]' <<<"$manifest" | base64 -d >"$W/signature"
payload=$(blob_path "$DEMO_LAYOUT" "$(jq -er '.layers[0].digest' <<<"$manifest")")
expect_status 0 openssl dgst -sha256 -verify "$(key_public release)" -signature "$W/signature" "$payload"
expect_eq "$(jq -er '.critical.image["docker-manifest-digest"]' "$payload")" \
  "$(oci_manifest_digest "$DEMO_LAYOUT" "$DEMO_TAG")" 'the digest that was signed'

step 'dataset inspect tells no content; job show tells the request'
expect_status 0 "$CASECTL" dataset inspect "$W/digits.sealed"
[[ $OUT != *digits.csv.gz* ]] || fail 'inspect without a key shows a file name'
if grep -qa 'digits.csv' "$W/digits.sealed"; then fail 'the sealed file holds a file name in the clear'; fi
site_job "$W/job.json" "$W/digits.sealed"
expect_status 0 "$CASECTL" job show "$W/job.json" --key "$(key_public scheduler)"
expect_contains "$OUT" "$SITE_TENANT" 'job show'
expect_status 1 "$CASECTL" job show "$W/job.json" --key "$(key_public globex)"

step 'receipt and audit log: whole, then changed by one word'
expect_status 0 runtime run --bundle "$W/bundle" --job "$W/job.json" job-1
receipt=$(site_last_receipt)
expect_status 0 "$CASECTL" receipt verify --key "$W/data/keys/receipt.pub" "$receipt"
expect_status 0 "$CASECTL" receipt show "$receipt"
expect_status 0 "$CASECTL" audit verify "$W/data/audit/audit.jsonl"
jq -c '.payload |= (@base64d | sub("digits"; "faces!") | @base64)' "$receipt" >"$W/receipt.bent"
expect_status 1 "$CASECTL" receipt verify --key "$W/data/keys/receipt.pub" "$W/receipt.bent"
sed '1s/allow/ALLOW/; 1s/deny/DENY/' "$W/data/audit/audit.jsonl" >"$W/audit.bent"
cmp -s "$W/data/audit/audit.jsonl" "$W/audit.bent" && sed -i '1s/acme/ACME/' "$W/audit.bent"
run_status "$CASECTL" audit verify "$W/audit.bent"
[ "$STATUS" -ne 0 ] || fail 'a changed audit log verifies'
sed '1d' "$W/data/audit/audit.jsonl" >"$W/audit.bent"
run_status "$CASECTL" audit verify "$W/audit.bent"
[ "$STATUS" -ne 0 ] || fail 'an audit log without its first record verifies'
