// cosign signatures with keys, as cosign itself writes and reads them: the simple-signing payload
// is a layer of the manifest that is tagged sha256-<hex>.sig, the signature over it an annotation.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "hooks/image/oci_layout.h"
#include "hooks/image/signature.h"
#include "shim/base/result.h"
#include "shim/sys/kernel.h"

namespace casemate::image {

inline constexpr std::string_view kSimpleSigning =
    "application/vnd.dev.cosign.simplesigning.v1+json";
inline constexpr std::string_view kSignatureAnnotation = "dev.cosignproject.cosign/signature";

std::string signature_tag(std::string_view digest);  // "sha256-<hex>.sig"

struct SignedPayload {
  std::string repository;  // critical.identity.docker-reference
  std::string digest;      // critical.image.docker-manifest-digest
};
// Strict: members of "critical" that are not understood are refused, as its name demands.
// bad_input "image.payload", "json.*".
Result<SignedPayload> parse_payload(std::string_view text);
std::string make_payload(const SignedPayload& payload);

// Returns the name of the key that signed `digest`. `repository` empty: not compared.
// denied "image.unsigned" (no signature), "image.signature" (none of these keys made one),
// "image.payloads" (several signatures that state different things), "image.digest",
// "image.repository" (signed for another); the errors of the layout.
Result<std::string> verify_cosign(const OciLayout& layout, std::string_view digest,
                                  std::string_view repository, std::span<const NamedKey> keys);

// Adds a signature beside those that are there (nothing happens when this key's is one of them);
// blobs first, then index.json by rename, under a lock of the folder. `directory`
// is a readable descriptor of the layout. A payload that states something else than the present
// signatures is refused: denied "image.payloads".
Status sign_cosign(sys::Kernel& kernel, int directory, const PrivateKey& key,
                   const SignedPayload& payload);

}  // namespace casemate::image
