# shellcheck shell=bash
# A small site under one folder: keys of everyone involved, the host configuration, and the
# casectl calls that each party makes. The demo and the end-to-end tests share it. Sourced after
# common.sh and demo-image.sh; the caller sets SITE (the folder), BIN and CASECTL.

SITE_TENANT=acme
SITE_KID=file:host-1

# Where casectl puts the two halves of a key pair.
key_private() { printf '%s/keys/%s' "$SITE" "$1"; }
key_public() { printf '%s/keys/%s.pub' "$SITE" "$1"; }
recipient_private() { printf '%s/keys/%s.jwk' "$SITE" "$1"; }
recipient_public() { printf '%s/keys/%s.pub.jwk' "$SITE" "$1"; }

# site_keys: image signer, scheduler, two tenants, the host's key slot; kept when there already.
site_keys() {
  local name
  mkdir -p "$SITE/keys"
  chmod 0700 "$SITE/keys"
  for name in release scheduler acme globex; do
    [ -f "$(key_private "$name")" ] || "$CASECTL" key generate --type p256 --out "$SITE/keys/$name" >/dev/null
  done
  [ -f "$(recipient_private host)" ] || "$CASECTL" dataset keygen -o "$SITE/keys/host" --kid "$SITE_KID" >/dev/null
}

# site_config [JQ_FILTER]: writes SITE/casemate.json: signed jobs of acme run under `restricted`,
# everything else under `baseline`. The filter changes it for a test.
site_config() {
  mkdir -p "$SITE"/{state,data}
  jq -n --arg site "$SITE" --arg root "$ROOT" --arg kid "$SITE_KID" \
    --arg release "$(key_public release)" --arg scheduler "$(key_public scheduler)" \
    --arg acme "$(key_public acme)" --arg globex "$(key_public globex)" \
    --arg host "$(recipient_private host)" --arg layout "$SITE/layout" \
    --argjson hooks "$(site_hooks)" '{
    version: 1,
    paths: {profiles: ["\($root)/profiles"], state: "\($site)/state", data: "\($site)/data",
      layouts: [$layout]},
    signers: [{name: "acme-release", key: $release}],
    schedulers: [{name: "scheduler", key: $scheduler, tenants: ["acme"], profiles: ["restricted"],
      images: ["registry.example/acme/*"]}],
    tenants: [{name: "acme", keys: [$acme], datasets: ["*"]},
      {name: "globex", keys: [$globex], datasets: ["*"]}],
    keys: [{kid: $kid, file: $host}],
    hooks: $hooks,
    rules: [{job: true, tenants: ["acme"], images: ["registry.example/acme/*"], profile: "restricted"},
      {job: false, profile: "baseline"}, {deny: true}]}' | jq "${1:-.}" >"$SITE/casemate.json"
}

# Docker runs its own dockerd as a prestart hook; no other program may be one.
site_hooks() {
  local dockerd
  if dockerd=$(command -v dockerd); then
    jq -cn --arg path "$(readlink -f "$dockerd")" --arg sum "$(file_sha256 "$dockerd")" '[{path: $path, sha256: $sum}]'
  else
    printf '[]'
  fi
}

# site_sign_image: from here on DEMO_LAYOUT is a copy of its own, and the release key has signed what
# the tag points to.
site_sign_image() {
  rm -rf -- "$SITE/layout"
  cp -a -- "$DEMO_DIR/layout" "$SITE/layout"
  DEMO_LAYOUT=$SITE/layout
  "$CASECTL" image sign --key "$(key_private release)" --layout "$DEMO_LAYOUT" --tag "$DEMO_TAG" \
    --repository "$DEMO_REPOSITORY" >/dev/null
}

# site_seal OUT [TENANT]: the tenant seals the demo's tables for this host.
site_seal() {
  local tenant=${2:-$SITE_TENANT}
  "$CASECTL" dataset seal "$DEMO_DATASET" -o "$1" --id digits --tenant "$tenant" --serial 1 \
    --criticality confidential --signing-key "$(key_private "$tenant")" \
    --recipient "$(recipient_public host)" >/dev/null
}

# site_request DATASET_FILE [JQ_FILTER]: an unsigned job request for the demo's image.
site_request() {
  jq -n --arg tenant "$SITE_TENANT" --arg digest "$(oci_manifest_digest "$DEMO_LAYOUT" "$DEMO_TAG")" \
    --arg repository "$DEMO_REPOSITORY" --arg source "$1" --arg nonce "$(openssl rand -hex 16)" \
    --arg issued "$(date -u -d '-1 minute' +%Y-%m-%dT%H:%M:%SZ)" \
    --arg expires "$(date -u -d '+1 hour' +%Y-%m-%dT%H:%M:%SZ)" '{
    version: 1, tenant: $tenant, image: {digest: $digest, repository: $repository},
    datasets: [{id: "digits", source: $source, target: "/data"}],
    profile: "restricted", gpu: 0, issued: $issued, expires: $expires, nonce: $nonce}' | jq "${2:-.}"
}

# site_job OUT DATASET_FILE [JQ_FILTER] [KEY]: the signed request.
site_job() {
  site_request "$2" "${3:-.}" >"$1.request"
  "$CASECTL" job sign --key "$(key_private "${4:-scheduler}")" --kid scheduler "$1.request" -o "$1" >/dev/null
  rm -f -- "$1.request"
}

# site_evidence: checks every receipt and the audit log with casectl alone, as an auditor would.
site_evidence() {
  local receipt
  for receipt in "$SITE"/data/receipts/*; do
    "$CASECTL" receipt verify --key "$SITE/data/keys/receipt.pub" "$receipt" >/dev/null || return 1
  done
  "$CASECTL" audit verify "$SITE/data/audit/audit.jsonl" >/dev/null
}

site_last_receipt() {
  find "$SITE/data/receipts" -type f -printf '%T@ %p\n' | sort -n | tail -1 | cut -d ' ' -f 2-
}

# flip_bit FILE OFFSET: changes one bit of one byte.
flip_bit() {
  local byte
  byte=$(od -An -tu1 -j "$2" -N 1 "$1" | tr -d ' ')
  # shellcheck disable=SC2059  # the format is the byte
  printf "$(printf '\\%03o' $((byte ^ 1)))" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

# site_unsigned_layout OUT: the demo's layout without its signatures.
site_unsigned_layout() {
  rm -rf -- "$1"
  cp -a -- "$DEMO_LAYOUT" "$1"
  jq '.manifests |= [.[] | select((.annotations["org.opencontainers.image.ref.name"] // "")
    | endswith(".sig") | not)]' "$DEMO_LAYOUT/index.json" >"$1/index.json"
}

# site_changed_bundle OUT BUNDLE JQ_FILTER: the bundle with another config.json over the same rootfs.
site_changed_bundle() {
  mkdir -p "$1"
  jq --arg root "$2/rootfs" ".root.path = \$root | $3" "$2/config.json" >"$1/config.json"
}

# What `docker run --privileged` asks for, as a filter over config.json.
SITE_PRIVILEGED='
  .process.capabilities.bounding += ["CAP_SYS_ADMIN", "CAP_SYS_MODULE", "CAP_SYS_PTRACE", "CAP_SYS_RAWIO"]
  | .process.capabilities.effective = .process.capabilities.bounding
  | .process.capabilities.permitted = .process.capabilities.bounding
  | .linux.maskedPaths = [] | .linux.readonlyPaths = []
  | .linux.resources.devices = [{allow: true, access: "rwm"}]'
