#include <sys/mman.h>
#include <unistd.h>

#include <cstring>

#include "hooks/dataset/header.h"
#include "hooks/dataset/index.h"
#include "hooks/dataset/jose.h"
#include "hooks/dataset/locked_arena.h"
#include "hooks/dataset/manifest.h"
#include "hooks/dataset/request.h"
#include "hooks/dataset/sealed_file.h"
#include "shim/base/unique_fd.h"
#include "tests/fuzz/target.h"

namespace casemate::fuzz {
namespace {

constexpr const char* kVector = "tests/unit/hooks/dataset/vectors/digits.sealed";
constexpr const char* kHostKey = "tests/unit/hooks/dataset/vectors/host.jwk";
constexpr const char* kTenantKey = "tests/unit/hooks/dataset/vectors/tenant.pub.pem";

SecretBytes secret(std::string_view text) {
  auto bytes = SecretBytes::allocate(text.size());
  expect(bytes.has_value(), "there is secret memory");
  std::memcpy(bytes->data(), text.data(), text.size());
  return std::move(*bytes);
}

// What holds key material must not stay behind, whatever went wrong.
class ArenaWatch {
 public:
  ArenaWatch() {
    expect(dataset::use_locked_json().has_value(), "there is locked memory");
    before_ = dataset::locked_json_in_use();
  }
  ~ArenaWatch() {
    expect(dataset::locked_json_in_use() == before_, "no secret stays in the arena");
  }
  ArenaWatch(const ArenaWatch&) = delete;
  ArenaWatch& operator=(const ArenaWatch&) = delete;

 private:
  std::size_t before_ = 0;
};

const json_t* host_key() {
  static const dataset::JsonPtr key = [] {
    const std::string text = files(kHostKey)[0];
    auto parsed = dataset::parse_exchange_key(as_bytes(text), /*need_private=*/true);
    expect(parsed.has_value(), "the vector's key is one");
    return std::move(*parsed);
  }();
  return key.get();
}

const std::vector<dataset::TenantKey>& tenants() {
  static const std::vector<dataset::TenantKey> keys = {{"vector", files(kTenantKey)[0]}};
  return keys;
}

void header(std::string_view input) {
  expect(dataset::use_locked_json().has_value(), "there is locked memory");
  host_key();
  const ArenaWatch watch;
  const auto parsed = dataset::parse_header(input);
  if (!accepted(parsed)) return;
  expect(!parsed->slots.empty() && parsed->slots.size() <= dataset::kMaxSlots, "1 to 32 slots");
  expect(dataset::parse_header(dump(parsed->jwe)).has_value(), "a header is read back");
  static_cast<void>(accepted(dataset::decrypt_header(*parsed, 0, host_key())));
}

// The plaintext of a header: anyone can encrypt to a public key.
void signed_manifest(std::string_view input) {
  if (input.empty()) return;
  const ArenaWatch watch;
  static_cast<void>(accepted(dataset::verify_manifest(secret(input), tenants())));
}

void manifest(std::string_view input) {
  if (input.empty()) return;
  const ArenaWatch watch;
  const auto parsed = dataset::parse_manifest(secret(input));
  if (!accepted(parsed)) return;
  expect(parsed->dek.size() == dataset::kKeyBytes, "a key has 32 bytes");
  const auto written = dataset::manifest_to_json(*parsed);
  expect(written.has_value(), "a manifest can be written");
  const auto again = dataset::parse_manifest(*written);
  expect(again && equal(again->dek, parsed->dek) && again->body_bytes == parsed->body_bytes &&
             again->dataset == parsed->dataset && again->serial == parsed->serial,
         "a manifest that was written is read back");
  static_cast<void>(accepted(
      dataset::make_layout(4096, parsed->body_bytes, parsed->index_bytes, parsed->payload_bytes)));
}

void index(std::string_view input) {
  if (input.empty()) return;
  for (const std::uint64_t payload : {std::uint64_t{0}, std::uint64_t{1} << 20, UINT64_MAX}) {
    const auto parsed = dataset::Index::parse(secret(input), payload);
    if (!accepted(parsed)) continue;
    const auto written = dataset::encode_index(parsed->entries());
    expect(as_text(written) == input, "an index has one spelling");
    expect(parsed->total_bytes() <= payload, "files are within the payload");
    for (const dataset::Entry& entry : parsed->entries())
      expect(dataset::is_safe_path(entry.path), "paths stay below the mount");
  }
}

// The whole file, as far as anyone can read it.
void file(std::string_view input) {
  const UniqueFd fd(::memfd_create("sealed", MFD_CLOEXEC));
  expect(::write(fd.get(), input.data(), input.size()) == static_cast<ssize_t>(input.size()),
         "a file can be made");
  expect(dataset::use_locked_json().has_value(), "there is locked memory");
  host_key();
  const ArenaWatch watch;
  const auto sealed = dataset::SealedFile::open(fd.get());
  if (!accepted(sealed)) return;
  static_cast<void>(accepted(dataset::unlock(*sealed, {}, tenants())));
}

// Four numbers: the sizes that a manifest states.
void layout(std::string_view input) {
  std::array<std::uint64_t, 4> numbers{};
  std::memcpy(numbers.data(), input.data(), std::min(input.size(), sizeof numbers));
  const auto made = dataset::make_layout(numbers[0], numbers[1], numbers[2], numbers[3]);
  if (accepted(made)) {
    expect(made->file_bytes > made->body_bytes, "a file is longer than its body");
    expect(made->index_cipher + made->payload_cipher <= made->body_bytes, "the parts fit");
    const auto body = dataset::body_of_file(made->file_bytes, numbers[0]);
    expect(body && *body == made->body_bytes, "the body's size shows in the file's");
  }
  static_cast<void>(accepted(dataset::body_of_file(numbers[0], numbers[1])));
  static_cast<void>(accepted(dataset::parse_prefix(as_bytes(input))));
}

void key(std::string_view input) {
  const ArenaWatch watch;
  for (const bool need_private : {false, true}) {
    const auto parsed = dataset::parse_exchange_key(as_bytes(input), need_private);
    if (!accepted(parsed)) continue;
    const auto written = dataset::jwk_to_json(parsed->get(), need_private);
    expect(written.has_value(), "a key can be written");
    expect(
        dataset::parse_exchange_key({written->data(), written->size()}, need_private).has_value(),
        "a key that was written is read back");
  }
  static_cast<void>(accepted(dataset::public_key_from_pem(input)));
}

void request(std::string_view input) {
  with_json(input, [](const Json& body) {
    static_cast<void>(accepted(dataset::parse_unseal_request(body)));
  });
}

std::string vector_header() {
  const std::string text = files(kVector)[0];
  const auto size = dataset::parse_prefix(as_bytes(text).first(dataset::kPrefixBytes));
  expect(size.has_value(), "the vector is a sealed file");
  return text.substr(dataset::kPrefixBytes, *size);
}

// The vector's header opened: the signed manifest and what is signed.
std::vector<std::string> opened(bool verified) {
  expect(dataset::use_locked_json().has_value(), "there is locked memory");
  const auto parsed = dataset::parse_header(vector_header());
  expect(parsed.has_value(), "the vector has a header");
  const auto jws = dataset::decrypt_header(*parsed, 1, host_key());
  expect(jws.has_value(), "the vector opens");
  if (!verified) return {std::string(as_text({jws->data(), jws->size()}))};
  const auto manifest = dataset::verify_manifest(*jws, tenants());
  expect(manifest.has_value(), "the vector's signature holds");
  return {std::string(as_text({manifest->json.data(), manifest->json.size()}))};
}

std::vector<std::string> index_seeds() {
  std::vector<dataset::Entry> entries(3);
  entries[0] = {.path = "a", .directory = true, .mode = 0755};
  entries[1] = {.path = "a/b", .mode = 0644, .mtime_seconds = 1, .size = 5};
  entries[2] = {.path = "c", .mode = 0600, .offset = 5, .size = 7};
  return {std::string(as_text(dataset::encode_index(entries))),
          std::string(as_text(dataset::encode_index({})))};
}

std::vector<std::string> layout_seeds() {
  const std::uint64_t body = dataset::body_bytes_for(100, 5000);
  const std::array<std::uint64_t, 4> numbers = {4096, body, 100, 5000};
  return {std::string(reinterpret_cast<const char*>(numbers.data()), sizeof numbers),
          std::string(as_text(dataset::make_prefix(4080)))};
}

const Target kTargets[] = {
    {.name = "dataset.header",
     .run = header,
     .seeds = [] { return std::vector<std::string>{vector_header()}; },
     .json = true},
    {.name = "dataset.signed-manifest",
     .run = signed_manifest,
     .seeds = [] { return opened(/*verified=*/false); },
     .json = true},
    {.name = "dataset.manifest",
     .run = manifest,
     .seeds = [] { return opened(/*verified=*/true); },
     .json = true},
    {.name = "dataset.index", .run = index, .seeds = index_seeds},
    {.name = "dataset.file", .run = file, .seeds = [] { return files(kVector); }},
    {.name = "dataset.layout", .run = layout, .seeds = layout_seeds},
    {.name = "dataset.key",
     .run = key,
     .seeds =
         [] {
           auto seeds = files(kHostKey);
           seeds.push_back(files(kTenantKey)[0]);
           return seeds;
         },
     .json = true},
    {.name = "dataset.request",
     .run = request,
     .seeds =
         [] {
           return std::vector<std::string>{
               R"({"tenant":"acme","dataset":"digits","profile":"restricted","imageSigner":"build",
           "maxBytes":1048576,"maxCriticality":"confidential","minSerial":3,"keys":[{"kid":"file:host"}],
           "tenantKeys":[{"name":"acme","pem":"x"}],"mount":{"uid":1000,"gid":1000,"mode":365,"label":""},
           "cipher":"openssl","threads":2})"};
         },
     .json = true},
};

}  // namespace

std::span<const Target> dataset_targets() {
  return kTargets;
}

}  // namespace casemate::fuzz
