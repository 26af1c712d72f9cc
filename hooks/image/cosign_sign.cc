// The writing half of cosign.h.
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <algorithm>

#include "hooks/image/cosign.h"
#include "hooks/image/hash.h"
#include "shim/fs/host_file.h"

namespace casemate::image {
namespace {

constexpr mode_t kBlobMode = 0644;

Result<Descriptor> write_blob(sys::Kernel& kernel, int directory, std::string_view media_type,
                              const std::string& bytes) {
  Descriptor out{
      .media_type = std::string(media_type), .digest = digest_of(bytes), .size = bytes.size()};
  const open_how how{.flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
                     .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS};
  const auto blobs = TRY(kernel.openat2(directory, "blobs/sha256", how));
  TRY(fs::write_atomically_at(kernel, blobs.get(), out.digest.substr(7), bytes, kBlobMode));
  return out;
}

// The signature layers that are there already; all must state what is about to be signed.
Result<std::vector<Descriptor>> present_layers(const OciLayout& layout, const std::string& tag,
                                               const std::string& payload_digest) {
  const auto entry = layout.find_tag(tag);
  if (!entry && entry.error().rule == "image.not-found") return std::vector<Descriptor>();
  if (!entry) return std::unexpected(entry.error());
  const auto text = TRY(layout.read_blob(*entry));
  auto layers = TRY(parse_manifest(text)).layers;
  for (const auto& layer : layers)
    if (layer.media_type != kSimpleSigning || layer.digest != payload_digest)
      return denied("image.payloads", "the image is signed already, with another statement",
                    "use the same repository, or remove the old signature manifest");
  return layers;
}

// What cosign writes: an empty config that lists the layers, as registries expect of an image.
std::string signature_config(const std::vector<Descriptor>& layers) {
  Json diff_ids = Json::array();
  for (const auto& layer : layers) diff_ids.push_back(layer.digest);
  return dump(Json{{"architecture", ""},
                   {"os", ""},
                   {"config", Json::object()},
                   {"rootfs", {{"type", "layers"}, {"diff_ids", diff_ids}}}});
}

std::string signature_manifest(const Descriptor& config, const std::vector<Descriptor>& layers) {
  Json list = Json::array();
  for (const auto& layer : layers) list.push_back(to_json(layer));
  return dump(Json{{"schemaVersion", 2},
                   {"mediaType", kOciManifest},
                   {"config", to_json(config)},
                   {"layers", list}});
}

// The members of index.json that casemate does not know stay as they are.
Status tag_in_index(sys::Kernel& kernel, int directory, Descriptor manifest,
                    const std::string& tag) {
  const auto text = TRY(fs::read_file_at(kernel, directory, "index.json", kMaxDocument));
  Json index = TRY(parse_json(text));
  if (!index.is_object() || !index["manifests"].is_array())
    return bad_input("image.layout", "index.json has no manifests");
  Json& entries = index["manifests"];
  const auto is_tagged = [&](const Json& entry) {
    const auto pointer = Json::json_pointer("/annotations/" + std::string(kRefName));
    return entry.is_object() && entry.contains(pointer) && entry.at(pointer) == tag;
  };
  entries.erase(std::remove_if(entries.begin(), entries.end(), is_tagged), entries.end());
  manifest.annotations[std::string(kRefName)] = tag;
  entries.push_back(to_json(manifest));
  return fs::write_atomically_at(kernel, directory, "index.json", dump(index), kBlobMode);
}

Result<bool> has_signature_of(const std::vector<Descriptor>& layers, const PublicKey& key,
                              std::string_view payload) {
  for (const auto& layer : layers) {
    const auto at = layer.annotations.find(std::string(kSignatureAnnotation));
    if (at == layer.annotations.end()) continue;
    const auto signature = TRY(from_base64(at->second));
    if (key.verify(payload, signature)) return true;
  }
  return false;
}

}  // namespace

Status sign_cosign(sys::Kernel& kernel, int directory, const PrivateKey& key,
                   const SignedPayload& payload) {
  TRY(kernel.flock(directory, LOCK_EX));  // until `directory` is closed or unlocked below
  const auto layout = TRY(OciLayout::open(directory));
  TRY(layout.find_manifest(payload.digest));
  const std::string text = make_payload(payload);
  const std::string tag = signature_tag(payload.digest);
  auto layers = TRY(present_layers(layout, tag, digest_of(text)));
  if (TRY(has_signature_of(layers, key.public_key(), text)))
    return kernel.flock(directory, LOCK_UN);
  Descriptor layer = TRY(write_blob(kernel, directory, kSimpleSigning, text));
  layer.annotations[std::string(kSignatureAnnotation)] = to_base64(TRY(key.sign(text)));
  layers.push_back(std::move(layer));
  const auto config = TRY(write_blob(kernel, directory, kOciConfig, signature_config(layers)));
  const auto manifest =
      TRY(write_blob(kernel, directory, kOciManifest, signature_manifest(config, layers)));
  TRY(tag_in_index(kernel, directory, manifest, tag));
  return kernel.flock(directory, LOCK_UN);
}

}  // namespace casemate::image
