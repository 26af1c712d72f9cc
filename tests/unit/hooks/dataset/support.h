// What the dataset tests share: keys, a source folder, a sealed file, and its parts to tamper with.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "hooks/dataset/extract.h"
#include "hooks/dataset/file_io.h"
#include "hooks/dataset/locked_arena.h"
#include "hooks/dataset/seal.h"
#include "hooks/dataset/sealed_file.h"
#include "shim/base/unique_fd.h"

namespace casemate::dataset::testing {

namespace files = std::filesystem;

class TempDir {
 public:
  TempDir() {
    // Memory, where there is some: thousands of tampered files are written.
    const bool memory = ::access("/dev/shm", W_OK) == 0;
    const files::path base = memory ? files::path("/dev/shm") : files::temp_directory_path();
    std::string pattern = (base / "casemate-dataset-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
  }
  ~TempDir() { files::remove_all(path_); }
  files::path operator/(const std::string& name) const { return path_ / name; }
  const files::path& path() const { return path_; }

 private:
  files::path path_;
};

inline std::string read_text(const files::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}
inline void write_text(const files::path& path, std::string_view text) {
  files::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary)
      .write(text.data(), static_cast<std::streamsize>(text.size()));
}
// Bytes that differ from place to place and from file to file.
inline std::string pattern(std::size_t size, unsigned seed) {
  std::string out(size, '\0');
  std::uint32_t state = seed * 2654435761U + 1;
  for (auto& c : out) {
    state = state * 1664525U + 1013904223U;
    c = static_cast<char>(state >> 24);
  }
  return out;
}

inline std::string take(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  std::string out(data, static_cast<std::size_t>(size));
  BIO_free(bio);
  return out;
}
struct SigningPair {
  SigningPair() {
    EVP_PKEY* key = EVP_EC_gen("P-256");
    BIO* secret = BIO_new(BIO_s_mem());
    PEM_write_bio_PrivateKey(secret, key, nullptr, nullptr, 0, nullptr, nullptr);
    BIO* open = BIO_new(BIO_s_mem());
    PEM_write_bio_PUBKEY(open, key);
    private_pem = take(secret);
    public_pem = take(open);
    EVP_PKEY_free(key);
  }
  std::string private_pem;
  std::string public_pem;
};

inline SecretBytes secret_of(std::string_view text) {
  auto out = SecretBytes::allocate(text.size());
  std::memcpy(out->data(), text.data(), text.size());
  return std::move(*out);
}
inline JsonPtr deep_copy(const JsonPtr& key) {
  return JsonPtr(json_deep_copy(key.get()));
}
inline JsonPtr public_part(const JsonPtr& key) {
  const SecretBytes text = *jwk_to_json(key.get(), /*with_private=*/false);
  return *parse_exchange_key({text.data(), text.size()}, /*need_private=*/false);
}

// One tenant, one host, and everything needed to seal a folder and open it again.
class World {
 public:
  World() {
    EXPECT_TRUE(use_locked_json());
    host_ = *generate_exchange_key("file:host");
  }

  SealOptions options() {
    recipients_.clear();
    recipients_.push_back({"file:host", public_part(host_)});
    signing_ = *private_key_from_pem(secret_of(tenant_.private_pem));
    SealOptions out{.tenant = "acme", .dataset = "digits", .serial = 7};
    out.recipients = recipients_;
    out.signing_key = signing_.get();
    return out;
  }
  // Returns the sealed file's bytes.
  std::string seal_tree(const files::path& source) { return seal_tree(source, options()); }
  std::string seal_tree(const files::path& source, const SealOptions& options) {
    const auto sealed = try_seal(source, options);
    EXPECT_TRUE(sealed) << sealed.error().message();
    return read_text(dir_ / "out.sealed");
  }
  Result<Sealed> try_seal(const files::path& source, const SealOptions& options) {
    const UniqueFd from(::open(source.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    const auto path = dir_ / "out.sealed";
    const UniqueFd to(::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    return seal(from.get(), options, to.get());
  }

  std::vector<HostKey> host_keys() {
    std::vector<HostKey> keys;
    keys.push_back({"file:host", deep_copy(host_)});
    return keys;
  }
  std::vector<TenantKey> tenant_keys() { return {{"acme-2026", tenant_.public_pem}}; }

  // Opens the bytes as a sealed file and extracts it into `to` (only authenticates when empty).
  Result<Extracted> open(std::string_view bytes, const files::path& to = {},
                         ExtractOptions options = {}) {
    const auto path = dir_ / "in.sealed";
    write_text(path, bytes);
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    const SealedFile file = TRY(SealedFile::open(fd.get()));
    const auto host = host_keys();
    const auto tenant = tenant_keys();
    const Unlocked unlocked = TRY(unlock(file, host, tenant));
    const auto tags = TRY(read_tags(file, unlocked.layout));
    const Index index = TRY(read_index(file, unlocked, tags, options.engine));
    if (to.empty()) return authenticate(file, unlocked, index, tags, options);
    files::create_directories(to);
    const UniqueFd dir(::open(to.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    return extract(file, unlocked, index, tags, dir.get(), options);
  }
  std::string rule(std::string_view bytes) {
    const auto opened = open(bytes);
    return opened ? "opened" : opened.error().rule;
  }

  const SigningPair& tenant() const { return tenant_; }
  const JsonPtr& host() const { return host_; }
  const TempDir& dir() const { return dir_; }

 private:
  TempDir dir_;
  SigningPair tenant_;
  JsonPtr host_;
  JsonPtr signing_;
  std::vector<Recipient> recipients_;
};

// Where things lie in sealed bytes, found as an outsider would.
struct Parts {
  explicit Parts(const std::string& bytes) {
    const auto head = std::span(reinterpret_cast<const unsigned char*>(bytes.data()), kPrefixBytes);
    header_bytes = *parse_prefix(head);
    tags_at = align_up(kPrefixBytes + header_bytes, kAlign);
    const auto body = *body_of_file(bytes.size(), header_bytes);
    body_at = bytes.size() - body;
  }
  std::size_t header_bytes, tags_at, body_at;
};

// Every regular file and folder of two trees alike: names, content, modes, modification times.
inline void expect_same_tree(const files::path& a, const files::path& b) {
  std::vector<std::string> left, right;
  for (const auto& e : files::recursive_directory_iterator(a))
    left.push_back(files::relative(e.path(), a).string());
  for (const auto& e : files::recursive_directory_iterator(b))
    right.push_back(files::relative(e.path(), b).string());
  std::sort(left.begin(), left.end());
  std::sort(right.begin(), right.end());
  ASSERT_EQ(left, right);
  for (const auto& name : left) {
    struct stat x{}, y{};
    ASSERT_EQ(::stat((a / name).c_str(), &x), 0);
    ASSERT_EQ(::stat((b / name).c_str(), &y), 0);
    EXPECT_EQ(x.st_mode, y.st_mode) << name;
    EXPECT_EQ(x.st_mtim.tv_sec, y.st_mtim.tv_sec) << name;
    EXPECT_EQ(x.st_mtim.tv_nsec, y.st_mtim.tv_nsec) << name;
    if (!S_ISREG(x.st_mode)) continue;
    EXPECT_TRUE(read_text(a / name) == read_text(b / name)) << name;  // not printed: too large
  }
}

}  // namespace casemate::dataset::testing
