#include "hooks/dataset/manifest.h"

#include <string.h>

#include <algorithm>
#include <array>
#include <set>

#include "hooks/dataset/format.h"
#include "hooks/dataset/json_ptr.h"
#include "shim/base/clock.h"

namespace casemate::dataset {
namespace {

constexpr std::array<std::string_view, 4> kLevels = {"public", "internal", "confidential",
                                                     "restricted"};
constexpr std::size_t kMaxListed = 256;

std::unexpected<Error> malformed(std::string_view key, std::string_view what) {
  return bad_input("dataset.manifest",
                   "the manifest's \"" + std::string(key) + "\" " + std::string(what),
                   "the sealing program is at fault: seal the dataset again");
}

// Reads one jansson object member by member; jansson, because its values live in locked memory.
class Reader {
 public:
  explicit Reader(const json_t* object) : object_(object) {}

  Result<const json_t*> member(const char* key) {
    seen_.insert(key);
    const json_t* value = json_object_get(object_, key);
    if (value == nullptr) return malformed(key, "is missing");
    return value;
  }
  Result<std::string_view> text(const char* key) {
    const json_t* value = TRY(member(key));
    if (!json_is_string(value)) return malformed(key, "is not a string");
    return std::string_view(json_string_value(value), json_string_length(value));
  }
  Result<std::uint64_t> number(const char* key) {
    const json_t* value = TRY(member(key));
    if (!json_is_integer(value) || json_integer_value(value) < 0)
      return malformed(key, "is not a non-negative integer");
    return static_cast<std::uint64_t>(json_integer_value(value));
  }
  // base64url of exactly `size` bytes, decoded straight into `out`.
  Status bytes(const char* key, unsigned char* out, std::size_t size) {
    const std::string_view encoded = TRY(text(key));
    // The canonical length; a lone surplus digit or set trailing bits would be a second spelling.
    const bool fits = encoded.size() == (size * 8 + 5) / 6 && decode(encoded, out, size);
    if (!fits) return malformed(key, "is not base64url of " + std::to_string(size) + " bytes");
    return {};
  }
  Result<std::vector<std::string>> list(const char* key) {
    std::vector<std::string> out;
    seen_.insert(key);
    const json_t* array = json_object_get(object_, key);
    if (array == nullptr) return out;
    if (!json_is_array(array) || json_array_size(array) > kMaxListed)
      return malformed(key, "is not an array of at most 256 names");
    for (std::size_t i = 0; i < json_array_size(array); ++i) {
      const json_t* item = json_array_get(array, i);
      if (!json_is_string(item)) return malformed(key, "is not an array of names");
      out.emplace_back(json_string_value(item), json_string_length(item));
    }
    return out;
  }
  // Any member that nobody asked for, or an empty view.
  std::string_view unknown() const {
    const char* key = nullptr;
    json_t* value = nullptr;
    json_object_foreach(const_cast<json_t*>(object_), key, value) {
      if (!seen_.contains(std::string_view(key))) return key;
    }
    return {};
  }
  Status done() const {
    if (!unknown().empty()) return malformed(printable(unknown()), "is not known");
    return {};
  }

 private:
  static bool decode(std::string_view encoded, unsigned char* out, std::size_t size) {
    unsigned bits = 0;
    unsigned accumulator = 0;
    std::size_t written = 0;
    for (const char c : encoded) {
      const int digit = value_of(c);
      if (digit < 0) return false;
      accumulator = (accumulator << 6 | static_cast<unsigned>(digit)) & 0xffff;
      bits += 6;
      if (bits < 8) continue;
      bits -= 8;
      if (written == size) return false;
      out[written++] = static_cast<unsigned char>(accumulator >> bits);
    }
    return written == size && (accumulator & ((1U << bits) - 1)) == 0;
  }
  static int value_of(char c) {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    if (c == '-') return 62;
    return c == '_' ? 63 : -1;
  }

  const json_t* object_;
  std::set<std::string_view> seen_;
};

JsonPtr list_to_json(const std::vector<std::string>& names) {
  JsonPtr array(json_array());
  for (const auto& name : names)
    json_array_append_new(array.get(), json_stringn(name.data(), name.size()));
  return array;
}

JsonPtr text_json(std::string_view text) {
  return JsonPtr(json_stringn(text.data(), text.size()));
}

// base64url into an arena string without a copy in ordinary memory.
JsonPtr secret_json(const SecretBytes& secret) {
  static constexpr char kDigits[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  std::array<char, 64> out{};  // 43 digits for a key
  std::size_t length = 0;
  unsigned accumulator = 0;
  unsigned bits = 0;
  for (std::size_t i = 0; i < secret.size() && length + 2 < out.size(); ++i) {
    accumulator = (accumulator << 8 | secret.data()[i]) & 0xffff;
    for (bits += 8; bits >= 6; bits -= 6) out[length++] = kDigits[accumulator >> (bits - 6) & 63];
  }
  if (bits > 0) out[length++] = kDigits[accumulator << (6 - bits) & 63];
  JsonPtr value(json_stringn(out.data(), length));
  ::explicit_bzero(out.data(), out.size());
  ::explicit_bzero(&accumulator, sizeof accumulator);
  return value;
}

// Takes the value; false when jansson had no memory.
bool put(json_t* object, const char* key, JsonPtr value) {
  return json_object_set_new(object, key, value.release()) == 0;
}
bool put(json_t* object, const char* key, std::uint64_t value) {
  return put(object, key, JsonPtr(json_integer(static_cast<json_int_t>(value))));
}

JsonPtr build(const Manifest& m) {
  JsonPtr conditions(json_object());
  JsonPtr root(json_object());
  json_t* o = root.get();
  const bool good =
      put(conditions.get(), "profiles", list_to_json(m.conditions.profiles)) &&
      put(conditions.get(), "imageSigners", list_to_json(m.conditions.image_signers)) &&
      put(o, "version", std::uint64_t{kFormatVersion}) &&
      put(o, "file", text_json(to_base64url(m.file))) && put(o, "tenant", text_json(m.tenant)) &&
      put(o, "dataset", text_json(m.dataset)) && put(o, "serial", m.serial) &&
      put(o, "criticality", text_json(to_string(m.criticality))) &&
      put(o, "created", text_json(m.created)) && put(o, "dek", secret_json(m.dek)) &&
      put(o, "salt", text_json(to_base64url(m.salt))) && put(o, "chunkSize", kChunk) &&
      put(o, "bodyBytes", m.body_bytes) && put(o, "indexBytes", m.index_bytes) &&
      put(o, "indexDigest", text_json(to_base64url(m.index_digest))) &&
      put(o, "payloadBytes", m.payload_bytes) && put(o, "files", m.files) &&
      put(o, "totalBytes", m.total_bytes) && put(o, "conditions", std::move(conditions));
  return good ? std::move(root) : JsonPtr();
}

Status read_conditions(Reader& reader, Conditions& out) {
  const json_t* value = TRY(reader.member("conditions"));
  if (!json_is_object(value)) return malformed("conditions", "is not an object");
  Reader conditions(value);
  out.profiles = TRY(conditions.list("profiles"));
  out.image_signers = TRY(conditions.list("imageSigners"));
  // A condition this program cannot judge is one it cannot keep.
  if (!conditions.unknown().empty())
    return unsupported("dataset.condition",
                       "the dataset has a release condition this program does not know: " +
                           std::string(conditions.unknown()),
                       "use a newer version");
  return {};
}

Status read_names(Reader& reader, Manifest& out) {
  out.tenant = TRY(reader.text("tenant"));
  out.dataset = TRY(reader.text("dataset"));
  if (!is_name(out.tenant)) return malformed("tenant", "is not a name");
  if (!is_name(out.dataset)) return malformed("dataset", "is not a name");
  const std::string_view criticality = TRY(reader.text("criticality"));
  const auto level = parse_criticality(criticality);
  if (!level) return malformed("criticality", "is not a known level");
  out.criticality = *level;
  out.created = TRY(reader.text("created"));
  if (!parse_rfc3339(out.created)) return malformed("created", "is not an RFC 3339 UTC time");
  return {};
}

Status read_sizes(Reader& reader, Manifest& out) {
  if (TRY(reader.number("version")) != kFormatVersion) return malformed("version", "is not 1");
  if (TRY(reader.number("chunkSize")) != kChunk) return malformed("chunkSize", "is not 262144");
  out.serial = TRY(reader.number("serial"));
  out.body_bytes = TRY(reader.number("bodyBytes"));
  out.index_bytes = TRY(reader.number("indexBytes"));
  out.payload_bytes = TRY(reader.number("payloadBytes"));
  out.files = TRY(reader.number("files"));
  out.total_bytes = TRY(reader.number("totalBytes"));
  if (out.total_bytes > out.payload_bytes) return malformed("totalBytes", "exceeds payloadBytes");
  if (out.files > kMaxEntries) return malformed("files", "exceeds the limit of 8388608");
  return {};
}

}  // namespace

std::string_view to_string(Criticality level) {
  return kLevels[static_cast<std::size_t>(level)];
}

Result<Criticality> parse_criticality(std::string_view text) {
  const auto at = std::find(kLevels.begin(), kLevels.end(), text);
  if (at == kLevels.end())
    return bad_input("dataset.criticality", "no such criticality: " + std::string(text),
                     "one of public, internal, confidential, restricted");
  return static_cast<Criticality>(at - kLevels.begin());
}

bool is_name(std::string_view text) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  };
  return !text.empty() && text.size() <= 128 && text[0] != '.' && text[0] != '-' &&
         std::all_of(text.begin(), text.end(), allowed);
}

Result<SecretBytes> manifest_to_json(const Manifest& manifest) {
  const JsonPtr root = build(manifest);
  if (root == nullptr) return internal("dataset.memory", "no locked memory left for the manifest");
  constexpr std::size_t kFlags = JSON_COMPACT | JSON_SORT_KEYS;
  const std::size_t size = json_dumpb(root.get(), nullptr, 0, kFlags);
  if (size == 0) return internal("dataset.manifest", "the manifest cannot be written as JSON");
  auto out = TRY(SecretBytes::allocate(size));
  json_dumpb(root.get(), reinterpret_cast<char*>(out.data()), size, kFlags);
  return out;
}

Result<Manifest> parse_manifest(const SecretBytes& json) {
  json_error_t error;
  const JsonPtr root(json_loadb(reinterpret_cast<const char*>(json.data()), json.size(),
                                JSON_REJECT_DUPLICATES, &error));
  if (root == nullptr || !json_is_object(root.get()))
    return malformed("", "text is not one JSON object without duplicate members");
  Reader reader(root.get());
  Manifest out;
  TRY(read_sizes(reader, out));
  TRY(read_names(reader, out));
  TRY(read_conditions(reader, out.conditions));
  TRY(reader.bytes("file", out.file.data(), out.file.size()));
  TRY(reader.bytes("salt", out.salt.data(), out.salt.size()));
  TRY(reader.bytes("indexDigest", out.index_digest.data(), out.index_digest.size()));
  out.dek = TRY(SecretBytes::allocate(kKeyBytes));
  TRY(reader.bytes("dek", out.dek.data(), out.dek.size()));
  TRY(reader.done());
  return out;
}

}  // namespace casemate::dataset
