#include "hooks/image/manifest.h"

#include "shim/base/encoding.h"

namespace casemate::image {
namespace {

constexpr std::string_view kDockerList =
    "application/vnd.docker.distribution.manifest.list.v2+json";
constexpr std::string_view kDockerManifest = "application/vnd.docker.distribution.manifest.v2+json";
constexpr std::size_t kMaxLayers = 512;

Status check_schema(JsonObject& object) {
  if (TRY(object.get<std::int64_t>("schemaVersion")) == 2) return {};
  return unsupported("image.media-type", "schemaVersion is not 2", {}, "/schemaVersion");
}

Status check_media_type(JsonObject& object, bool (Descriptor::*is_kind)() const) {
  Descriptor self;
  const auto type = TRY(object.find<std::string>("mediaType"));
  if (!type) return {};  // optional in OCI
  self.media_type = *type;
  if ((self.*is_kind)()) return {};
  return bad_input("image.manifest", "the document says it is " + *type, {}, "/mediaType");
}

}  // namespace

std::string Descriptor::blob_path() const {
  return "blobs/sha256/" + digest.substr(7);
}
bool Descriptor::is_manifest() const {
  return media_type == kOciManifest || media_type == kDockerManifest;
}
bool Descriptor::is_index() const {
  return media_type == kOciIndex || media_type == kDockerList;
}

Result<Descriptor> parse_descriptor(JsonObject object) {
  Descriptor out;
  out.media_type = TRY(object.get<std::string>("mediaType"));
  out.digest = TRY(object.get<std::string>("digest"));
  out.size = TRY(object.get<std::uint64_t>("size"));
  for (auto& [key, value] : TRY(object.string_map("annotations")))
    out.annotations.emplace(key, std::move(value));
  if (is_sha256_digest(out.digest)) return out;
  return unsupported("image.digest-algorithm", "digest \"" + out.digest + "\" is not a SHA-256",
                     "only sha256: digests are accepted", object.pointer_to("digest"));
}

Json to_json(const Descriptor& descriptor) {
  Json out = {{"mediaType", descriptor.media_type},
              {"digest", descriptor.digest},
              {"size", descriptor.size}};
  if (!descriptor.annotations.empty()) out["annotations"] = descriptor.annotations;
  return out;
}

Result<std::vector<Descriptor>> parse_index(std::string_view text) {
  const Json json = TRY(parse_json(text));
  auto object = TRY(JsonObject::of(json));
  TRY(check_schema(object));
  TRY(check_media_type(object, &Descriptor::is_index));
  std::vector<Descriptor> out;
  for (auto& entry : TRY(object.objects("manifests"))) out.push_back(TRY(parse_descriptor(entry)));
  return out;
}

Result<Manifest> parse_manifest(std::string_view text) {
  const Json json = TRY(parse_json(text));
  auto object = TRY(JsonObject::of(json));
  TRY(check_schema(object));
  TRY(check_media_type(object, &Descriptor::is_manifest));
  // A document that is a manifest and an index at once means different things to different readers
  // (CVE-2021-41190).
  if (object.has("manifests"))
    return bad_input("image.manifest", "the document is a manifest and an index at once", {},
                     "/manifests");
  Manifest out;
  const auto config = TRY(object.object("config"));
  out.config = TRY(parse_descriptor(config));
  for (auto& layer : TRY(object.objects("layers")))
    out.layers.push_back(TRY(parse_descriptor(layer)));
  if (out.layers.empty() || out.layers.size() > kMaxLayers)
    return bad_input("image.manifest", "no layers, or more than 512", {}, "/layers");
  return out;
}

Result<Compression> layer_compression(const Descriptor& layer) {
  static const std::map<std::string_view, Compression> kKinds = {
      {"application/vnd.oci.image.layer.v1.tar", Compression::none},
      {"application/vnd.oci.image.layer.v1.tar+gzip", Compression::gzip},
      {"application/vnd.oci.image.layer.v1.tar+zstd", Compression::zstd},
      {"application/vnd.docker.image.rootfs.diff.tar", Compression::none},
      {"application/vnd.docker.image.rootfs.diff.tar.gzip", Compression::gzip},
  };
  const auto at = kKinds.find(layer.media_type);
  if (at != kKinds.end()) return at->second;
  return unsupported("image.media-type", "layer of type " + layer.media_type,
                     "accepted are tar, tar+gzip and tar+zstd");
}

Result<ImageConfig> parse_config(std::string_view text) {
  const Json json = TRY(parse_json(text));
  auto object = TRY(JsonObject::of(json));
  ImageConfig out;
  out.architecture = TRY(object.get<std::string>("architecture"));
  out.os = TRY(object.get<std::string>("os"));
  if (auto run = TRY(object.find_object("config"))) {
    using Strings = std::vector<std::string>;
    out.entrypoint = TRY(run->get_or<Strings>("Entrypoint", {}));
    out.cmd = TRY(run->get_or<Strings>("Cmd", {}));
    out.env = TRY(run->get_or<Strings>("Env", {}));
    out.working_dir = TRY(run->get_or<std::string>("WorkingDir", {}));
    out.user = TRY(run->get_or<std::string>("User", {}));
  }
  auto rootfs = TRY(object.object("rootfs"));
  if (TRY(rootfs.get<std::string>("type")) != "layers")
    return bad_input("image.config", "rootfs.type is not \"layers\"", {}, "/rootfs/type");
  out.diff_ids = TRY(rootfs.get<std::vector<std::string>>("diff_ids"));
  for (const auto& id : out.diff_ids)
    if (!is_sha256_digest(id))
      return bad_input("image.config", "a diff_id is not a SHA-256 digest", {}, "/rootfs/diff_ids");
  return out;
}

}  // namespace casemate::image
