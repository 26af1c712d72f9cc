# shellcheck shell=bash
# Making the test guest from Debian's packages: kernel, labelled root image, initramfs. Sourced after
# common.sh, packages.sh and vm.sh.

VM_HOST_PACKAGES=(qemu-system-x86 mmdebstrap e2fsprogs cpio zstd busybox-static selinux-policy-dev jq)
VM_SUITE=bookworm
VM_KERNEL=linux-image-cloud-amd64
# What the programs link, what the end-to-end tests call, and SELinux' own tools.
VM_GUEST_PACKAGES=(libselinux1 libseccomp2 libcap-ng0 libsodium23 libarchive13 libssl3 libjose0
  libipsec-mb1 libstdc++6 libsystemd0 jq openssl procps iproute2 busybox-static util-linux kmod bpftool
  selinux-policy-default policycoreutils selinux-utils systemd dbus)
VM_IMAGE_SIZE=1536M
VM_GUEST_FILES=$ROOT/tests/vm/guest
# Of the kernel's modules: the disks' (in the order of their dependencies), and overlayfs for the
# job's root.
VM_BOOT_MODULES=(drivers/virtio/virtio_ring drivers/virtio/virtio drivers/virtio/virtio_pci_modern_dev
  drivers/virtio/virtio_pci_legacy_dev drivers/virtio/virtio_pci drivers/block/virtio_blk)
VM_ROOT_MODULES=(fs/overlayfs/overlay)

# vm_build: nothing when the guest was made from the same description. What comes from Debian is kept
# apart from what is made of it, so that a change of the policy or of a script takes seconds.
vm_build() {
  local packages key
  packages=$(inputs_digest "$VM_SUITE" "$VM_KERNEL" "${VM_GUEST_PACKAGES[@]}" "${VM_ROOT_MODULES[@]}")
  key=$(inputs_digest "$packages" "$ROOT/scripts/lib/vm-guest.sh" "$VM_GUEST_FILES"/*)
  if vm_fresh "$VM_DIR/stamp" "$key"; then return 0; fi
  packages_install "${VM_HOST_PACKAGES[@]}"
  if ! vm_fresh "$VM_DIR/packages.stamp" "$packages"; then vm_packages "$packages"; fi
  rm -rf -- "$VM_DIR/stage" "$VM_DIR/stamp"
  mkdir -p "$VM_DIR/stage"
  cp -a -- "$VM_DIR/packages/root" "$VM_DIR/stage/root"
  VM_MODULES=$(echo "$VM_DIR"/packages/linux-image/lib/modules/*)
  vm_policy "$VM_DIR/stage/root"
  vm_image "$VM_DIR/stage/root"
  vm_initramfs "$VM_DIR/stage/initramfs"
  rm -rf -- "$VM_DIR/stage"
  printf '%s' "$key" >"$VM_DIR/stamp"
}

vm_fresh() { [ -f "$1" ] && [ "$(cat "$1")" = "$2" ]; }

vm_packages() {
  rm -rf -- "$VM_DIR"
  mkdir -p "$VM_DIR/packages/deb"
  vm_download "$VM_DIR/packages"
  vm_root "$VM_DIR/packages/root"
  rm -rf -- "$VM_DIR/packages/deb"
  printf '%s' "$1" >"$VM_DIR/packages.stamp"
}

# The kernel and the policy's sources, unpacked and never installed.
vm_download() {
  local into=$1 kernel name
  kernel=$(apt-cache depends "$VM_KERNEL" | awk '$1 == "Depends:" && $2 ~ /^linux-image-/ {print $2; exit}')
  [ -n "$kernel" ] || die "apt knows no $VM_KERNEL: run apt-get update"
  (cd "$into/deb" && apt-get -qq -o APT::Sandbox::User=root download "$kernel" selinux-policy-src) ||
    die "apt-get could not fetch $kernel and selinux-policy-src"
  for name in linux-image selinux-policy-src; do
    dpkg-deb --extract "$into/deb/$name"*.deb "$into/$name"
  done
  install -m 0644 "$into"/linux-image/boot/vmlinuz-* "$VM_DIR/vmlinuz"
  VM_MODULES=$(echo "$into"/linux-image/lib/modules/*)
}

vm_root() {
  local root=$1 modules include module
  include=$(IFS=,; printf '%s' "${VM_GUEST_PACKAGES[*]}")
  mmdebstrap --quiet --mode=root --variant=minbase --aptopt='APT::Install-Recommends "false"' \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/doc/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' --include="$include" "$VM_SUITE" "$root" \
    2>"$VM_DIR/mmdebstrap.log" || { tail -20 "$VM_DIR/mmdebstrap.log" >&2; die "mmdebstrap could not make the guest"; }
  modules=$root/usr/lib/modules/$(basename "$VM_MODULES")
  mkdir -p "$modules"
  cp -- "$VM_MODULES"/modules.{builtin,builtin.modinfo,order} "$modules/"
  for module in "${VM_ROOT_MODULES[@]}"; do
    install -D -m 0644 "$VM_MODULES/kernel/$module.ko" "$modules/kernel/$module.ko"
  done
  chroot "$root" depmod "$(basename "$VM_MODULES")"
  find "$root"/{usr/,}lib -name '*.so*' -printf '%f\n' | sort -u >"$VM_DIR/libraries"
}

# Debian's binary policy leaves the container module out; its sources have it.
vm_policy() {
  local root=$1 build=$VM_DIR/stage/policy
  mkdir -p "$build/source"
  tar --zstd -xf "$VM_DIR/packages/selinux-policy-src/usr/src/selinux-policy-src.tar.zst" -C "$build/source"
  find "$build/source" \( -name container.te -o -name container.fc \) -exec cp -t "$build" {} +
  cp -- "$VM_GUEST_FILES/casemate.te" "$build/"
  make -s -C "$build" -f /usr/share/selinux/devel/Makefile NAME=default container.pp casemate.pp >"$VM_DIR/policy.log" 2>&1 ||
    { tail -20 "$VM_DIR/policy.log" >&2; die "the policy does not build"; }
  install -m 0644 -t "$root/root" "$build"/{container,casemate}.pp
  chroot "$root" semodule -n -s default -i /root/container.pp -i /root/casemate.pp 2>>"$VM_DIR/policy.log" ||
    { tail -20 "$VM_DIR/policy.log" >&2; die "the policy does not take the modules"; }
  sed -i 's/^SELINUX=.*/SELINUX=enforcing/' "$root/etc/selinux/config"
  cp -- "$VM_GUEST_FILES/file_contexts" "$root/etc/selinux/default/contexts/files/file_contexts.local"
}

# Labels are written here, offline: the guest starts enforcing at once.
vm_image() {
  local root=$1
  install -m 0755 "$VM_GUEST_FILES/init" "$root/usr/sbin/vm-init"
  install -m 0755 "$VM_GUEST_FILES/session" "$root/usr/sbin/vm-session"
  install -m 0644 -t "$root/etc/systemd/system" "$VM_GUEST_FILES/vm-session.service"
  # shellcheck disable=SC2016  # expanded by the inner shell
  unshare --mount bash -ec 'mount --bind "$1" "$1"; mount -t proc proc "$1/proc"
    exec chroot "$1" setfiles -F -e /proc -e /sys -e /dev \
      /etc/selinux/default/contexts/files/file_contexts /' bash "$root"
  rm -f -- "$VM_DIR/root.ext4"
  truncate -s "$VM_IMAGE_SIZE" "$VM_DIR/root.ext4"
  mke2fs -q -t ext4 -O ^has_journal -d "$root" "$VM_DIR/root.ext4"
}

# busybox loads the disk's driver and hands over to the root image.
vm_initramfs() {
  local tree=$1 module
  mkdir -p "$tree"/{bin,modules,root,dev}
  cp -- "$(command -v busybox)" "$tree/bin/busybox"
  for module in "${VM_BOOT_MODULES[@]}"; do
    cp -- "$VM_MODULES/kernel/$module.ko" "$tree/modules/"
    basename "$module" >>"$tree/modules/order"
  done
  install -m 0755 "$VM_GUEST_FILES/initramfs-init" "$tree/init"
  (cd "$tree" && find . | cpio --quiet -o -H newc | gzip -1) >"$VM_DIR/initramfs.gz"
}
