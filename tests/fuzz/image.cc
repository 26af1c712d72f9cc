#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "hooks/image/cosign.h"
#include "hooks/image/hash.h"
#include "hooks/image/jws.h"
#include "hooks/image/layers.h"
#include "hooks/image/manifest.h"
#include "tests/fuzz/target.h"

namespace casemate::fuzz {
namespace {

// All documents of an image: each parser is given every document, as one that was exchanged for
// another would be.
void documents(std::string_view input) {
  if (const auto index = image::parse_index(input); accepted(index))
    for (const image::Descriptor& one : *index) {
      expect(one.blob_path().starts_with("blobs/sha256/"), "a blob is below the layout");
      const auto again = parse_json(dump(image::to_json(one)));
      expect(again && image::parse_descriptor(*JsonObject::of(*again)).has_value(),
             "a descriptor that was written is read back");
    }
  if (const auto manifest = image::parse_manifest(input); accepted(manifest))
    for (const image::Descriptor& layer : manifest->layers)
      static_cast<void>(accepted(image::layer_compression(layer)));
  static_cast<void>(accepted(image::parse_config(input)));
}

void payload(std::string_view input) {
  const auto parsed = image::parse_payload(input);
  if (!accepted(parsed)) return;
  const auto again = image::parse_payload(image::make_payload(*parsed));
  expect(again && again->digest == parsed->digest && again->repository == parsed->repository,
         "a payload that was written is read back");
}

image::PrivateKey key() {
  auto made = image::PrivateKey::generate(image::KeyType::ed25519);
  expect(made.has_value(), "a key can be made");
  return std::move(*made);
}

void jws(std::string_view input) {
  static const std::vector<image::NamedKey> keys = {{"slurm", key().public_key()}};
  const auto parsed = image::parse_jws(input);
  if (!accepted(parsed)) return;
  const auto verified = image::verify_jws(input, image::kJobType, keys);
  expect(!accepted(verified), "nobody has signed this");
}

void public_key(std::string_view input) {
  const auto parsed = image::PublicKey::from_pem(input);
  if (!accepted(parsed)) return;
  const auto written = parsed->to_pem();
  expect(written && image::PublicKey::from_pem(*written), "a key that was written is read back");
  expect(!parsed->verify(input, as_bytes(input)), "nobody has signed this");
}

void signature(std::string_view input) {
  if (const auto der = image::ecdsa_raw_to_der(as_bytes(input)); accepted(der)) {
    const auto raw = image::ecdsa_der_to_raw(*der);
    expect(raw && as_text(*raw) == input, "a signature that was converted converts back");
  }
  static_cast<void>(accepted(image::ecdsa_der_to_raw(as_bytes(input))));
}

// A layout of one blob, made anew for each input.
class Layout {
 public:
  Layout() : path_(std::string(CASEMATE_BINARY_DIR) + "/layout." + std::to_string(::getpid())) {
    std::filesystem::create_directories(path_ + "/blobs/sha256");
    fd_ = UniqueFd(::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  }
  ~Layout() { std::filesystem::remove_all(path_); }
  Layout(const Layout&) = delete;
  Layout& operator=(const Layout&) = delete;

  Result<std::vector<image::Change>> read(std::string_view input, const char* media_type) {
    image::Descriptor layer;
    layer.media_type = media_type;
    layer.digest = image::digest_of(input);
    layer.size = input.size();
    const std::string blob = path_ + "/" + layer.blob_path();
    std::ofstream(blob, std::ios::binary) << input;
    image::LayerBudget budget({.bytes = 4 << 20, .entries = 1000});
    auto changes = image::read_layer(fd_.get(), layer, layer.digest, budget);
    std::filesystem::remove(blob);
    return changes;
  }

 private:
  std::string path_;
  UniqueFd fd_;
};

void layer(std::string_view input) {
  static Layout layout;
  constexpr const char* kTar = "application/vnd.oci.image.layer.v1.tar";
  for (const char* suffix : {"", "+gzip", "+zstd"}) {
    auto changes = layout.read(input, (std::string(kTar) + suffix).c_str());
    if (!accepted(changes)) continue;
    for (const image::Change& change : *changes)
      expect(!change.path.starts_with('/') &&
                 ("/" + change.path + "/").find("/../") == std::string::npos,
             "a member stays below the root");
    image::Tree tree;
    if (const Status applied = tree.apply(std::move(*changes)); !applied) judge(applied.error());
  }
}

// One ustar header (tar(5)) and its content, padded; then the end of the archive.
std::string tar(const std::string& name, char type, const std::string& content) {
  std::string block(512, '\0');
  const auto put = [&](std::size_t at, const std::string& text) {
    block.replace(at, text.size(), text);
  };
  put(0, name);
  put(100, "0000644");
  put(108, "0001750");
  put(116, "0001750");
  char size[12];
  std::snprintf(size, sizeof size, "%011zo", content.size());
  put(124, size);
  put(136, "00000000000");
  put(148, "        ");
  block[156] = type;
  put(257, std::string("ustar\0"
                       "00",
                       8));
  unsigned sum = 0;
  for (const unsigned char c : block) sum += c;
  char check[8];
  std::snprintf(check, sizeof check, "%06o", sum);
  put(148, std::string(check, 7) + " ");
  std::string out = block + content;
  out.resize((out.size() + 511) / 512 * 512);
  return out + std::string(1024, '\0');
}

std::vector<std::string> document_seeds() {
  const std::string digest = "sha256:" + std::string(64, 'a');
  const Json descriptor = {{"mediaType", image::kOciManifest},
                           {"digest", digest},
                           {"size", 5},
                           {"annotations", {{image::kRefName, "latest"}}}};
  Json config = descriptor, layer = descriptor;
  config["mediaType"] = image::kOciConfig;
  layer["mediaType"] = "application/vnd.oci.image.layer.v1.tar+gzip";
  return {
      dump({{"schemaVersion", 2}, {"mediaType", image::kOciIndex}, {"manifests", {descriptor}}}),
      dump({{"schemaVersion", 2},
            {"mediaType", image::kOciManifest},
            {"config", config},
            {"layers", {layer}}}),
      dump({{"architecture", "amd64"},
            {"os", "linux"},
            {"config",
             {{"Entrypoint", {"a"}},
              {"Cmd", {"b"}},
              {"Env", {"A=b"}},
              {"WorkingDir", "/"},
              {"User", "1000:1000"}}},
            {"rootfs", {{"type", "layers"}, {"diff_ids", {digest}}}}})};
}

std::vector<std::string> jws_seeds() {
  std::vector<std::string> seeds;
  for (const auto type : {image::KeyType::ed25519, image::KeyType::p256}) {
    const auto signer = image::PrivateKey::generate(type);
    expect(signer.has_value(), "a key can be made");
    seeds.push_back(image::sign_jws(*signer, "slurm", image::kJobType, "{}").value_or(""));
  }
  return seeds;
}

const Target kTargets[] = {
    {.name = "image.documents", .run = documents, .seeds = document_seeds, .json = true},
    {.name = "image.payload",
     .run = payload,
     .seeds =
         [] {
           return std::vector<std::string>{
               image::make_payload({.repository = "registry.example/acme/train",
                                    .digest = "sha256:" + std::string(64, 'a')})};
         },
     .json = true},
    {.name = "image.jws", .run = jws, .seeds = jws_seeds, .json = true},
    {.name = "image.public-key",
     .run = public_key,
     .seeds =
         [] {
           auto seeds = files("tests/unit/hooks/dataset/vectors/tenant.pub.pem");
           seeds.push_back(key().public_key().to_pem().value_or(""));
           return seeds;
         }},
    {.name = "image.signature",
     .run = signature,
     .seeds =
         [] {
           const std::string raw(64, '\x7f');
           const auto der = image::ecdsa_raw_to_der(as_bytes(raw));
           return std::vector<std::string>{raw, std::string(as_text(der.value_or(Bytes())))};
         }},
    {.name = "image.layer",
     .run = layer,
     .seeds =
         [] {
           return std::vector<std::string>{tar("etc/passwd", '0', "root:x:0:0\n"),
                                           tar("etc/.wh.shadow", '0', ""), tar("dir/", '5', ""),
                                           tar("PaxHeader", 'x', "16 path=../../x\n"),
                                           tar("././@LongLink", 'L', std::string(300, 'a'))};
         }},
};

}  // namespace

std::span<const Target> image_targets() {
  return kTargets;
}

}  // namespace casemate::fuzz
