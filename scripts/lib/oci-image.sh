# shellcheck shell=bash
# OCI image layouts, docker archives and bundles out of a root folder, with tar, jq and sha256sum.
# Equal inputs give equal digests. Sourced after common.sh; needs jq.

# layer_tar DIR OUT: the folder as a layer: sorted, times clamped, owners as numbers.
layer_tar() {
  tar --create --file "$2" --directory "$1" --sort=name --format=gnu --numeric-owner \
    --mtime="@$SOURCE_DATE_EPOCH" --exclude=./.dockerenv .
}

# put_blob LAYOUT FILE: moves the file into the layout under its digest, which it prints.
put_blob() {
  local digest
  digest=$(file_sha256 "$2")
  mv -- "$2" "$1/blobs/sha256/$digest"
  chmod 0644 "$1/blobs/sha256/$digest"
  printf 'sha256:%s' "$digest"
}

blob_path() {
  printf '%s/blobs/sha256/%s' "$1" "${2#sha256:}"
}

descriptor() {  # LAYOUT MEDIA_TYPE DIGEST
  jq -cn --arg type "$2" --arg digest "$3" --argjson size "$(stat -c %s "$(blob_path "$1" "$3")")" \
    '{mediaType: $type, digest: $digest, size: $size}'
}

# oci_layout ROOTFS OUT TAG CONFIG_JSON: a layout of one uncompressed layer. CONFIG_JSON is the
# image's "config" object (Entrypoint, Cmd, User, Env, WorkingDir).
oci_layout() {
  local rootfs=$1 out=$2 tag=$3 config=$4 created layer config_digest manifest
  created=$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y-%m-%dT%H:%M:%SZ)
  rm -rf -- "$out"
  mkdir -p "$out/blobs/sha256"
  layer_tar "$rootfs" "$out/layer"
  layer=$(put_blob "$out" "$out/layer")
  jq -cnS --argjson config "$config" --arg created "$created" --arg layer "$layer" \
    --arg arch "$(dpkg --print-architecture)" \
    '{created: $created, architecture: $arch, os: "linux", config: $config,
      rootfs: {type: "layers", diff_ids: [$layer]},
      history: [{created: $created, created_by: "casemate demo"}]}' >"$out/config"
  config_digest=$(put_blob "$out" "$out/config")
  jq -cnS --argjson c "$(descriptor "$out" application/vnd.oci.image.config.v1+json "$config_digest")" \
    --argjson l "$(descriptor "$out" application/vnd.oci.image.layer.v1.tar "$layer")" \
    '{schemaVersion: 2, mediaType: "application/vnd.oci.image.manifest.v1+json",
      config: $c, layers: [$l]}' >"$out/manifest"
  manifest=$(put_blob "$out" "$out/manifest")
  jq -cn --argjson m "$(descriptor "$out" application/vnd.oci.image.manifest.v1+json "$manifest")" \
    --arg tag "$tag" '{schemaVersion: 2, manifests:
      [$m + {annotations: {"org.opencontainers.image.ref.name": $tag}}]}' >"$out/index.json"
  printf '{"imageLayoutVersion":"1.0.0"}' >"$out/oci-layout"
}

# oci_manifest_digest LAYOUT TAG
oci_manifest_digest() {
  jq -er --arg tag "$2" '[.manifests[] | select(.annotations["org.opencontainers.image.ref.name"]
    == $tag) | .digest] | first' "$1/index.json"
}

oci_manifest() {  # LAYOUT TAG: prints the manifest
  cat -- "$(blob_path "$1" "$(oci_manifest_digest "$1" "$2")")"
}

oci_config() {  # LAYOUT TAG: prints the image configuration
  cat -- "$(blob_path "$1" "$(oci_manifest "$1" "$2" | jq -er .config.digest)")"
}

# oci_unpack LAYOUT TAG DIR: the rootfs that the layers make (this project's images have one).
oci_unpack() {
  local layer
  rm -rf -- "$3"
  mkdir -p "$3"
  while read -r layer; do
    tar --extract --file "$(blob_path "$1" "$layer")" --directory "$3" --numeric-owner --same-permissions
  done < <(oci_manifest "$1" "$2" | jq -er '.layers[].digest')
}

# oci_archive LAYOUT OUT FULL_NAME TAG: a tar for `ctr image import`, the image named FULL_NAME.
oci_archive() {
  local work
  work=$(mktemp -d)
  cp -r -- "$1/blobs" "$1/oci-layout" "$work/"
  jq -c --arg name "$3" --arg tag "$4" '.manifests |= [.[]
    | select(.annotations["org.opencontainers.image.ref.name"] == $tag)
    | .annotations += {"io.containerd.image.name": $name}]' "$1/index.json" >"$work/index.json"
  tar --create --file "$2" --directory "$work" --sort=name --mtime="@$SOURCE_DATE_EPOCH" \
    --owner=0 --group=0 --numeric-owner .
  rm -rf -- "$work"
}

# docker_archive LAYOUT TAG OUT NAME: the same layer for `docker load`; Docker 20 reads no layouts.
docker_archive() {
  local layout=$1 tag=$2 out=$3 name=$4 work layer config
  work=$(mktemp -d)
  layer=$(oci_manifest "$layout" "$tag" | jq -er '.layers[0].digest')
  config=$(oci_manifest "$layout" "$tag" | jq -er '.config.digest')
  mkdir "$work/layer"
  cp -- "$(blob_path "$layout" "$layer")" "$work/layer/layer.tar"
  cp -- "$(blob_path "$layout" "$config")" "$work/${config#sha256:}.json"
  jq -cn --arg config "${config#sha256:}.json" --arg name "$name" \
    '[{Config: $config, RepoTags: [$name], Layers: ["layer/layer.tar"]}]' >"$work/manifest.json"
  tar --create --file "$out" --directory "$work" --sort=name --mtime="@$SOURCE_DATE_EPOCH" \
    --owner=0 --group=0 --numeric-owner .
  rm -rf -- "$work"
}
