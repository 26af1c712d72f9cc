# shellcheck shell=bash
# The demo's training image: Debian's python3 with numpy and nothing else (no shell), and its
# dataset: the tables that Debian's python3-sklearn carries. Cached under build/demo. Sourced
# after common.sh, oci-image.sh and bundle.sh.

DEMO_TAG=train-1
DEMO_REPOSITORY=registry.example/acme/train
DEMO_LAYOUT=$DEMO_DIR/layout
DEMO_DATASET=$DEMO_DIR/dataset

# fresh STAMP DIGEST: true when STAMP says that what it stands for was made from DIGEST.
fresh() {
  [ -f "$1" ] && [ "$(cat "$1")" = "$2" ]
}

# The packages without their scripts: nothing of them is needed to run an interpreter.
demo_rootfs() {
  local out=$1
  rm -rf -- "$out"
  mmdebstrap --quiet --mode=root --variant=extract --include=python3-minimal,python3-numpy \
    bookworm "$out" 2>"$out.log" || { cat "$out.log" >&2; die "mmdebstrap could not make the image"; }
  rm -rf -- "${out:?}"/{etc,dev,sbin,var,usr/share,usr/include,usr/sbin} \
    "$out"/usr/lib/python3.11/{test,unittest,idlelib,lib2to3,distutils,ensurepip,pydoc_data} \
    "$out"/usr/lib/python3/dist-packages/numpy/{f2py,distutils,doc}
  find "$out" -depth \( -name tests -o -name __pycache__ \) -type d -exec rm -rf {} +
  find "$out" \( -name '*.a' -o -name '*.pyi' -o -name '*.h' \) -type f -delete
  # What update-alternatives would have linked.
  ln -s blas/libblas.so.3 "$out/usr/lib/$(demo_triplet)/libblas.so.3"
  ln -s lapack/liblapack.so.3 "$out/usr/lib/$(demo_triplet)/liblapack.so.3"
  mkdir -p "$out"/{dev,etc,proc,sys,run,tmp,data,opt/train}
  chmod 1777 "$out/tmp"
  printf 'root:x:0:0::/:/\njob:x:1000:1000::/tmp:/\n' >"$out/etc/passwd"
  printf 'root:x:0:\njob:x:1000:\n' >"$out/etc/group"
}

demo_triplet() {
  gcc -dumpmachine 2>/dev/null || printf '%s-linux-gnu' "$(uname -m)"
}

# demo_image: leaves the layout in DEMO_LAYOUT, tagged DEMO_TAG.
demo_image() {
  local base=$DEMO_DIR/base source=$ROOT/scripts/demo-job/train.py key
  mkdir -p "$DEMO_DIR"
  key=$(inputs_digest "$ROOT/scripts/lib/demo-image.sh" "$SOURCE_DATE_EPOCH")
  if ! fresh "$DEMO_DIR/base.stamp" "$key"; then
    demo_rootfs "$base"
    printf '%s' "$key" >"$DEMO_DIR/base.stamp"
  fi
  key=$(inputs_digest "$ROOT/scripts/lib/oci-image.sh" "$source" "$key")
  if ! fresh "$DEMO_DIR/layout.stamp" "$key"; then
    install -m 0644 "$source" "$base/opt/train/train.py"
    oci_layout "$base" "$DEMO_LAYOUT" "$DEMO_TAG" "$(demo_image_config)"
    printf '%s' "$key" >"$DEMO_DIR/layout.stamp"
  fi
}

demo_image_config() {
  jq -cn '{Entrypoint: ["/usr/bin/python3", "/opt/train/train.py"], User: "1000:1000",
    WorkingDir: "/", Env: ["PATH=/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE=1",
      "OPENBLAS_NUM_THREADS=1", "HOME=/tmp"]}'
}

# demo_dataset: leaves the tables in DEMO_DATASET; the package is unpacked, never installed.
demo_dataset() {
  local work=$DEMO_DIR/sklearn
  [ ! -f "$DEMO_DATASET/digits.csv.gz" ] || return 0
  rm -rf -- "$work" "$DEMO_DATASET"
  mkdir -p "$work" "$DEMO_DATASET"
  (cd "$work" && apt-get -qq -o APT::Sandbox::User=root download python3-sklearn &&
    dpkg-deb --extract python3-sklearn_*.deb .) || die "apt-get could not fetch python3-sklearn"
  install -m 0644 -t "$DEMO_DATASET" \
    "$work"/usr/lib/python3/dist-packages/sklearn/datasets/data/{breast_cancer.csv,wine_data.csv,digits.csv.gz}
  rm -rf -- "$work"
}

# demo_bundle DIR: an unpacked bundle that runs the image as it asks to be run.
demo_bundle() {
  mkdir -p "$1"
  oci_unpack "$DEMO_LAYOUT" "$DEMO_TAG" "$1/rootfs"
  bundle_config "$(process_of_image "$(oci_config "$DEMO_LAYOUT" "$DEMO_TAG")")" train >"$1/config.json"
}
