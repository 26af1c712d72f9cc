// The documents of an OCI image (image-spec 1.1) and of Docker's schema 2: descriptors, indexes,
// manifests, configs. Pure. Members that the specification leaves open are ignored, as it demands;
// what a decision rests on is strict. Errors: bad_input "image.manifest", "image.config", "json.*";
// unsupported "image.media-type".
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "shim/base/json.h"
#include "shim/base/result.h"

namespace casemate::image {

inline constexpr std::string_view kOciIndex = "application/vnd.oci.image.index.v1+json";
inline constexpr std::string_view kOciManifest = "application/vnd.oci.image.manifest.v1+json";
inline constexpr std::string_view kOciConfig = "application/vnd.oci.image.config.v1+json";
inline constexpr std::string_view kRefName = "org.opencontainers.image.ref.name";

struct Descriptor {
  std::string media_type;
  std::string digest;  // "sha256:…", checked
  std::uint64_t size = 0;
  std::map<std::string, std::string> annotations;

  std::string blob_path() const;  // "blobs/sha256/<hex>"
  bool is_manifest() const;       // OCI or Docker
  bool is_index() const;          // OCI index or Docker manifest list
};
Result<Descriptor> parse_descriptor(JsonObject object);
Json to_json(const Descriptor& descriptor);

Result<std::vector<Descriptor>> parse_index(std::string_view text);

struct Manifest {
  Descriptor config;
  std::vector<Descriptor> layers;
};
Result<Manifest> parse_manifest(std::string_view text);

enum class Compression { none, gzip, zstd };
Result<Compression> layer_compression(const Descriptor& layer);

struct ImageConfig {
  std::string architecture, os;
  std::vector<std::string> entrypoint, cmd, env;
  std::string working_dir, user;
  std::vector<std::string> diff_ids;  // digests of the uncompressed layers, base first
};
Result<ImageConfig> parse_config(std::string_view text);

}  // namespace casemate::image
