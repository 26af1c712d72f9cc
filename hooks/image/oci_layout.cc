#include "hooks/image/oci_layout.h"

#include <unistd.h>

#include <memory>

#include "hooks/image/beneath.h"
#include "hooks/image/hash.h"

namespace casemate::image {
namespace {

constexpr std::size_t kBuffer = 256 << 10;
constexpr int kMaxNesting = 4;
constexpr int kMaxIndexes = 64;

std::unexpected<Error> changed(const Descriptor& blob, const std::string& how) {
  return denied("image.blob", "blob " + blob.digest + " " + how,
                "the layout is damaged or was changed: fetch the image again");
}

Error in_layout(Error error) {
  if (error.cls == ErrorClass::internal && error.sys_errno != 0) {
    error.cls = ErrorClass::bad_input;
    error.rule = "image.layout";
    error.hint = "give the folder of an OCI image layout, e.g. from: skopeo copy ... oci:DIR:TAG";
  }
  return error;
}

}  // namespace

Result<OciLayout> OciLayout::open(int directory) {
  const auto marker = read_beneath(directory, "oci-layout", 4096);
  if (!marker) return std::unexpected(in_layout(marker.error()));
  const Json json = TRY(parse_json(*marker));
  auto object = TRY(JsonObject::of(json));
  if (TRY(object.get<std::string>("imageLayoutVersion")) != "1.0.0")
    return unsupported("image.layout", "imageLayoutVersion is not 1.0.0");
  const auto text = read_beneath(directory, "index.json", kMaxDocument);
  if (!text) return std::unexpected(in_layout(text.error()));
  return OciLayout(directory, TRY(parse_index(*text)));
}

Result<Descriptor> OciLayout::find_manifest(std::string_view digest) const {
  std::vector<std::pair<Descriptor, int>> queue;
  for (const auto& entry : index_) queue.emplace_back(entry, 0);
  int indexes = 0;
  for (std::size_t i = 0; i < queue.size(); ++i) {
    const auto [entry, depth] = queue[i];
    if (entry.digest == digest && entry.is_manifest()) return entry;
    if (entry.digest == digest)
      return unsupported("image.media-type", "digest " + entry.digest + " is " + entry.media_type,
                         "name the manifest of one platform, not an index");
    if (!entry.is_index()) continue;
    if (depth == kMaxNesting || ++indexes > kMaxIndexes)
      return bad_input("image.layout", "too many nested indexes");
    const auto text = TRY(read_blob(entry));
    for (const auto& nested : TRY(parse_index(text))) queue.emplace_back(nested, depth + 1);
  }
  return denied("image.not-found", "no manifest " + std::string(digest) + " in the layout",
                "copy the image into one of the configured layouts");
}

Result<Descriptor> OciLayout::find_tag(std::string_view tag) const {
  const Descriptor* found = nullptr;
  for (const auto& entry : index_) {
    const auto name = entry.annotations.find(std::string(kRefName));
    if (name == entry.annotations.end() || name->second != tag) continue;
    if (found != nullptr && found->digest != entry.digest)
      return bad_input("image.layout", "several images are tagged \"" + std::string(tag) + "\"");
    found = &entry;
  }
  if (found != nullptr) return *found;
  return denied("image.not-found", "nothing is tagged \"" + std::string(tag) + "\" in the layout",
                "see the tags in its index.json");
}

Result<std::string> OciLayout::read_blob(const Descriptor& blob, std::size_t limit) const {
  if (blob.size > limit)
    return bad_input("image.limit", "blob " + blob.digest + " is larger than allowed here");
  auto bytes = read_beneath(directory_, blob.blob_path(), limit);
  if (!bytes) {
    if (bytes.error().rule == "image.limit") return changed(blob, "has another size");
    return std::unexpected(in_layout(std::move(bytes.error())));
  }
  if (bytes->size() != blob.size) return changed(blob, "has another size");
  if (digest_of(*bytes) != blob.digest) return changed(blob, "has another SHA-256");
  return bytes;
}

Status OciLayout::check_blob(const Descriptor& blob) const {
  auto file = open_beneath(directory_, blob.blob_path());
  if (!file) return std::unexpected(in_layout(std::move(file.error())));
  if (file->size != blob.size) return changed(blob, "has another size");
  const auto buffer = std::make_unique_for_overwrite<char[]>(kBuffer);
  Hasher hasher;
  while (hasher.bytes() <= blob.size) {
    const ssize_t got = ::read(file->fd.get(), buffer.get(), kBuffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return sys_error("read blob " + blob.digest);
    if (got == 0) break;
    hasher.update(buffer.get(), static_cast<std::size_t>(got));
  }
  if (hasher.bytes() != blob.size) return changed(blob, "has another size");
  if (digest_text(hasher.finish()) != blob.digest) return changed(blob, "has another SHA-256");
  return {};
}

}  // namespace casemate::image
