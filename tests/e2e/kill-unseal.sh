#!/usr/bin/env bash
# Killed while it decrypts: what is in clear by then is overwritten by the wardens, whoever dies.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/e2e/job.sh
. "$E2E_DIR/job.sh"

e2e_begin
mkdir "$W/big"
for name in one two three four; do head -c 100M /dev/urandom >"$W/big/$name"; done
DEMO_DATASET=$W/big
prepare_job
demo_bundle "$W/bundle"
busybox_bundle "$W/true" true
expect_status 0 runtime run --bundle "$W/true" warm
snapshot "$W/before"
mapfile -t arguments < <(runtime_arguments)

# rollbacks: bytes that each roll-back says it has overwritten.
rollbacks() { jq -r 'select(.event == "create.rollback") | .facts.wiped.bytes' "$W/data/audit/audit.jsonl"; }

# cut VICTIM DELAY: a create whose CLI, or whose decrypting process, is killed so many seconds after
# it began to decrypt.
cut() {
  local victim=$1 delay=$2 caller unseal='' killed
  site_job "$W/job.json" "$W/digits.sealed"
  # Not through runtime(): the pid is to be the runtime's, not a shell's around it.
  "$RUNTIME" "${arguments[@]}" --job "$W/job.json" create --bundle "$W/bundle" cut >/dev/null 2>"$W/cut.err" </dev/null &
  caller=$!
  wait_until 20 pgrep -f 'casemate-unseal$' || fail "nothing was decrypted: $(cat "$W/cut.err")"
  unseal=$(pgrep -of 'casemate-unseal$') || true
  sleep "$delay"
  case $victim in caller) killed=$caller ;; unseal) killed=$unseal ;; esac
  kill -KILL "$killed" 2>/dev/null || true
  wait "$caller" 2>/dev/null || true
  expect_status 0 runtime delete --force cut
  expect_same "$W/before" "$victim killed $delay s after it began"
}

for victim in caller unseal; do
  step "the $victim is killed at some moments of the decryption"
  for delay in 0 0.02 0.05 0.1 0.15 0.2 0.3; do cut "$victim" "$delay"; done
done

step 'the wardens have overwritten what was there'
most=$(rollbacks | sort -n | tail -1)
[ "${most:-0}" -gt 1000000 ] || fail "no roll-back wiped more than ${most:-0} bytes"
site_evidence || fail 'receipts or audit log do not verify'
