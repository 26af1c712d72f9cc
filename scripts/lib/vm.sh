# shellcheck shell=bash
# Booting the test guest: what goes in (a tar as its second disk), what comes out (the serial
# line). Sourced after common.sh and packages.sh.

VM_DIR=$ROOT/build/vm
VM_TESTS=$ROOT/tests/vm
VM_MEMORY=${CASEMATE_VM_MEMORY:-2048}  # MiB
VM_PATIENCE=${CASEMATE_VM_PATIENCE:-600}  # seconds a boot may take
# The guest's scripts print these two before and after the tests.
VM_BEGIN='@@BEGIN'
VM_EXIT='@@EXIT'
VM_NO_ANSWER=125

vm_tests() { find "$VM_TESTS" -maxdepth 1 -name '*.sh' -printf '%f\n' | sed 's/\.sh$//' | sort; }

# vm_kernel_arguments TEST: its line "# kernel: …", what the guest's kernel is to be started with.
vm_kernel_arguments() {
  [ -f "$VM_TESTS/$1.sh" ] || die "no test $1: $(vm_tests | tr '\n' ' ')"
  sed -n 's/^# kernel: *//p' "$VM_TESTS/$1.sh"
}

vm_tests_with() {
  local name
  vm_tests | while IFS= read -r name; do
    [ "$(vm_kernel_arguments "$name")" != "$1" ] || printf '%s\n' "$name"
  done
}

# The programs link only what the guest carries: told here, not by a loader's error in the guest.
vm_check_libraries() {
  local missing
  missing=$({ ldd "$BIN"/* || true; } 2>/dev/null | awk '$2 == "=>" {print $1}' | sort -u |
    comm -23 - "$VM_DIR/libraries")  # ldd fails for what is linked statically
  [ -z "$missing" ] || die "the guest lacks $missing: add the packages to scripts/lib/vm-guest.sh"
}

# vm_payload FILE TEST…: the programs, the profiles and the tests, and the demo's image and tables,
# as one tar that starts with what to run.
vm_payload() {
  local out=$1
  shift
  printf '%s\n' "$@" >"$VM_DIR/run"
  tar --create --file "$out" --owner 0 --group 0 --sort name \
    -C "$VM_DIR" run \
    -C "$ROOT" profiles scripts tests/e2e tests/vm build/demo/layout build/demo/dataset \
    --transform "s,^$BIN/,build/release/bin/," -P "$BIN"/casemate "$BIN"/casemate-* "$BIN"/casectl
}

vm_qemu() {  # PAYLOAD SERIAL_LOG KERNEL_ARGUMENTS
  timeout --kill-after=10 "$VM_PATIENCE" qemu-system-x86_64 -machine q35 -accel tcg,thread=multi -cpu max \
    -m "$VM_MEMORY" -smp 2 -display none -nodefaults -no-reboot -serial "file:$2" \
    -kernel "$VM_DIR/vmlinuz" -initrd "$VM_DIR/initramfs.gz" \
    -drive "file=$VM_DIR/root.ext4,format=raw,if=none,id=root,snapshot=on" -device virtio-blk-pci,drive=root \
    -drive "file=$1,format=raw,if=none,id=payload,readonly=on" -device virtio-blk-pci,drive=payload \
    -append "console=ttyS0 loglevel=3 panic=-1 $3" </dev/null
}

# vm_run TEST…: one boot; prints what the tests print and returns the guest's exit code.
vm_run() {
  local arguments name work status=0
  arguments=$(vm_kernel_arguments "$1")
  for name in "$@"; do
    [ "$(vm_kernel_arguments "$name")" = "$arguments" ] || die "$1 and $name need different kernels: run them apart"
  done
  vm_check_libraries
  "$ROOT/tests/e2e/prepare"
  work=$(mktemp -d "$VM_DIR/run.XXXXXX")
  vm_payload "$work/payload.tar" "$@"
  truncate -s %512 "$work/payload.tar"
  vm_qemu "$work/payload.tar" "$work/serial" "$arguments" || status=$?
  vm_report "$work/serial" "$status" || status=$?
  if [ -n "${CASEMATE_VM_KEEP:-}" ]; then printf 'kept: %s\n' "$work" >&2; else rm -rf -- "$work"; fi
  return "$status"
}

# vm_report SERIAL_LOG QEMU_STATUS: what the tests printed, and their exit code.
vm_report() {
  local code
  code=$(tr -d '\r' <"$1" | sed -n "s/^$VM_EXIT \([0-9]*\)$/\1/p" | tail -1)
  if [ -z "$code" ]; then
    tail -n 50 -- "$1" >&2
    printf 'the guest gave no answer (qemu: exit code %s)\n' "$2" >&2
    return "$VM_NO_ANSWER"
  fi
  tr -d '\r' <"$1" | sed "0,/^$VM_BEGIN/d; /^$VM_EXIT/,\$d"
  return "$code"
}
