#include "hooks/image/cosign.h"

namespace casemate::image {
namespace {

constexpr std::string_view kPayloadType = "cosign container image signature";
constexpr std::size_t kMaxPayload = 64 << 10;
constexpr std::size_t kMaxSignatures = 32;

struct Candidate {
  std::string payload;
  Bytes signature;
};

std::unexpected<Error> unsigned_image(std::string_view digest) {
  return denied("image.unsigned", "image " + std::string(digest) + " has no signature",
                "sign it: casectl image sign --key KEY --layout DIR --digest DIGEST");
}

Result<std::vector<Candidate>> read_candidates(const OciLayout& layout, std::string_view digest) {
  const auto entry = layout.find_tag(signature_tag(digest));
  if (!entry && entry.error().rule == "image.not-found") return unsigned_image(digest);
  if (!entry) return std::unexpected(entry.error());
  const auto text = TRY(layout.read_blob(*entry));
  const auto manifest = TRY(parse_manifest(text));
  if (manifest.layers.size() > kMaxSignatures)
    return bad_input("image.limit", "more than 32 signatures");
  std::vector<Candidate> out;
  for (const auto& layer : manifest.layers) {
    if (layer.media_type != kSimpleSigning) continue;
    const auto signature = layer.annotations.find(std::string(kSignatureAnnotation));
    if (signature == layer.annotations.end())
      return bad_input("image.payload", "a signature layer without its signature");
    out.push_back({.payload = TRY(layout.read_blob(layer, kMaxPayload)),
                   .signature = TRY(from_base64(signature->second))});
    if (out.back().payload != out.front().payload)
      return denied("image.payloads", "the signatures of this image state different things",
                    "remove the signature manifest and sign again");
  }
  if (out.empty()) return unsigned_image(digest);
  return out;
}

const NamedKey* signer_of(const std::vector<Candidate>& candidates,
                          std::span<const NamedKey> keys) {
  for (const auto& candidate : candidates)
    for (const auto& named : keys)
      if (named.key.verify(candidate.payload, candidate.signature)) return &named;
  return nullptr;
}

Status check_critical(JsonObject critical, SignedPayload& out) {
  if (TRY(critical.get<std::string>("type")) != kPayloadType)
    return bad_input("image.payload", "not a cosign container image signature", {},
                     "/critical/type");
  auto identity = TRY(critical.object("identity"));
  out.repository = TRY(identity.get<std::string>("docker-reference"));
  auto image = TRY(critical.object("image"));
  out.digest = TRY(image.get<std::string>("docker-manifest-digest"));
  for (const auto* object : {&critical, &identity, &image})
    if (!object->done())
      return bad_input("image.payload", "a critical member that is not understood here", {},
                       object->pointer());
  return {};
}

}  // namespace

std::string signature_tag(std::string_view digest) {
  std::string tag(digest);
  if (const auto colon = tag.find(':'); colon != tag.npos) tag[colon] = '-';
  return tag + ".sig";
}

Result<SignedPayload> parse_payload(std::string_view text) {
  const Json json = TRY(parse_json(text));
  auto object = TRY(JsonObject::of(json));
  SignedPayload out;
  auto critical = TRY(object.object("critical"));
  TRY(check_critical(std::move(critical), out));
  TRY(object.find_object("optional"));
  if (!object.done()) return bad_input("image.payload", "a member besides critical and optional");
  if (is_sha256_digest(out.digest)) return out;
  return bad_input("image.payload", "the signed digest is not a SHA-256", {},
                   "/critical/image/docker-manifest-digest");
}

std::string make_payload(const SignedPayload& payload) {
  const Json critical = {{"identity", {{"docker-reference", payload.repository}}},
                         {"image", {{"docker-manifest-digest", payload.digest}}},
                         {"type", kPayloadType}};
  return dump(Json{{"critical", critical}, {"optional", nullptr}});
}

Result<std::string> verify_cosign(const OciLayout& layout, std::string_view digest,
                                  std::string_view repository, std::span<const NamedKey> keys) {
  const auto candidates = TRY(read_candidates(layout, digest));
  const NamedKey* signer = signer_of(candidates, keys);
  if (signer == nullptr)
    return denied("image.signature",
                  "no allowed key made a signature of image " + std::string(digest),
                  "have it signed by a signer that casemate.json and the profile name");
  const auto payload = TRY(parse_payload(candidates.front().payload));
  if (payload.digest != digest)
    return denied("image.digest", "the signature is for image " + payload.digest,
                  "it does not vouch for " + std::string(digest));
  if (!repository.empty() && payload.repository != repository)
    return denied("image.repository",
                  "the signature is for repository \"" + payload.repository + "\", not \"" +
                      std::string(repository) + "\"",
                  "sign the image for this repository: casectl image sign --repository");
  return signer->name;
}

}  // namespace casemate::image
