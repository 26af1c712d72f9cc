// Real keys, tars, layouts and rootfs folders, made in a temporary directory for each test.
#pragma once

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "hooks/image/cosign.h"
#include "hooks/image/hash.h"
#include "hooks/image/verify.h"
#include "shim/sys/real_kernel.h"

namespace casemate::image {

inline constexpr const char* kRepository = "registry.example/acme/train";

class TempDir {
 public:
  TempDir() {
    std::string pattern = "/tmp/casemate-image-XXXXXX";
    path_ = ::mkdtemp(pattern.data());
  }
  ~TempDir() { std::filesystem::remove_all(path_); }
  std::string path(const std::string& name = {}) const {
    return name.empty() ? path_ : path_ + "/" + name;
  }

 private:
  std::string path_;
};

inline void write_text(const std::string& path, const std::string& bytes, mode_t mode = 0644) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
  ::chmod(path.c_str(), mode);
}
inline std::string read_text(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}
inline UniqueFd open_dir(const std::string& path) {
  return UniqueFd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}
inline std::string flip(std::string bytes, std::size_t at) {
  bytes[at] = static_cast<char>(bytes[at] ^ 1);
  return bytes;
}

// One random change: a byte replaced, removed, inserted, or the end cut off.
inline std::string mutate(std::string bytes, std::mt19937& random) {
  const std::size_t at = random() % bytes.size();
  const auto byte = static_cast<char>(random());
  switch (random() % 4) {
    case 0:
      bytes[at] = byte;
      break;
    case 1:
      bytes.erase(at, 1 + random() % 8);
      break;
    case 2:
      bytes.insert(at, 1, byte);
      break;
    default:
      bytes.resize(at);
  }
  return bytes;
}

enum class Pack { none, gzip, zstd };

class TarBuilder {
 public:
  struct Member {
    std::string path, content = {};
    mode_t mode = 0644;
    unsigned type = AE_IFREG;
    std::string target = {};  // of a symbolic or hard link
    bool hardlink = false;
    la_int64_t uid = 0, gid = 0;
    dev_t device = 0;
    std::string capability = {};
  };
  TarBuilder& add(Member member) {
    members_.push_back(std::move(member));
    return *this;
  }
  TarBuilder& file(std::string path, std::string content, mode_t mode = 0644) {
    return add({.path = std::move(path), .content = std::move(content), .mode = mode});
  }
  TarBuilder& dir(std::string path, mode_t mode = 0755) {
    return add({.path = std::move(path), .mode = mode, .type = AE_IFDIR});
  }
  TarBuilder& symlink(std::string path, std::string target) {
    return add(
        {.path = std::move(path), .mode = 0777, .type = AE_IFLNK, .target = std::move(target)});
  }
  TarBuilder& hardlink(std::string path, std::string target) {
    return add({.path = std::move(path), .target = std::move(target), .hardlink = true});
  }
  std::string build(Pack pack = Pack::none) const;

 private:
  std::vector<Member> members_;
};

inline std::string TarBuilder::build(Pack pack) const {
  std::string out(1 << 22, '\0');
  std::size_t used = 0;
  archive* writer = archive_write_new();
  archive_write_set_format_pax(writer);
  if (pack == Pack::gzip) archive_write_add_filter_gzip(writer);
  if (pack == Pack::zstd) archive_write_add_filter_zstd(writer);
  archive_write_set_bytes_in_last_block(writer, 1);
  archive_write_open_memory(writer, out.data(), out.size(), &used);
  for (const auto& member : members_) {
    archive_entry* entry = archive_entry_new();
    archive_entry_copy_pathname(entry, member.path.c_str());
    archive_entry_set_filetype(entry, member.type);
    archive_entry_set_perm(entry, member.mode);
    archive_entry_set_uid(entry, member.uid);
    archive_entry_set_gid(entry, member.gid);
    archive_entry_set_rdev(entry, member.device);
    archive_entry_set_size(entry, static_cast<la_int64_t>(member.content.size()));
    if (member.hardlink) archive_entry_copy_hardlink(entry, member.target.c_str());
    if (member.type == AE_IFLNK) archive_entry_copy_symlink(entry, member.target.c_str());
    if (!member.capability.empty())
      archive_entry_xattr_add_entry(entry, "security.capability", member.capability.data(),
                                    member.capability.size());
    archive_write_header(writer, entry);
    archive_write_data(writer, member.content.data(), member.content.size());
    archive_entry_free(entry);
  }
  archive_write_close(writer);
  archive_write_free(writer);
  out.resize(used);
  return out;
}

inline std::string decompressed_digest(const TarBuilder& tar) {
  return digest_of(tar.build());
}

// A layout folder; images are added as lists of layers.
class Layout {
 public:
  explicit Layout(const std::string& path) : path_(path) {
    std::filesystem::create_directories(path + "/blobs/sha256");
    write_text(path + "/oci-layout", R"({"imageLayoutVersion":"1.0.0"})");
    write_index(Json::array());
    fd_ = open_dir(path);
  }
  int fd() const { return fd_.get(); }
  const std::string& path() const { return path_; }
  std::string blob_file(const std::string& digest) const {
    return path_ + "/blobs/sha256/" + digest.substr(7);
  }
  Json blob(const std::string& media_type, const std::string& bytes) {
    const std::string digest = digest_of(bytes);
    write_text(blob_file(digest), bytes);
    return {{"mediaType", media_type}, {"digest", digest}, {"size", bytes.size()}};
  }
  void write_index(const Json& manifests) {
    write_text(path_ + "/index.json", dump(Json{{"schemaVersion", 2}, {"manifests", manifests}}));
  }
  Json index() const { return *parse_json(read_text(path_ + "/index.json")); }

  // Returns the manifest's digest.
  std::string add_image(const std::vector<TarBuilder>& tars, Pack pack = Pack::gzip,
                        const std::string& tag = "v1") {
    static const std::map<Pack, std::string> kSuffix = {
        {Pack::none, ""}, {Pack::gzip, "+gzip"}, {Pack::zstd, "+zstd"}};
    Json layers = Json::array(), diff_ids = Json::array();
    for (const auto& tar : tars) {
      layers.push_back(
          blob("application/vnd.oci.image.layer.v1.tar" + kSuffix.at(pack), tar.build(pack)));
      diff_ids.push_back(decompressed_digest(tar));
    }
    const Json config = {{"architecture", "amd64"},
                         {"os", "linux"},
                         {"config",
                          {{"Entrypoint", {"/bin/app"}},
                           {"Cmd", {"--fast"}},
                           {"Env", {"PATH=/bin"}},
                           {"WorkingDir", "/work"},
                           {"User", "1000"}}},
                         {"rootfs", {{"type", "layers"}, {"diff_ids", diff_ids}}}};
    Json manifest = {{"schemaVersion", 2},
                     {"mediaType", kOciManifest},
                     {"config", blob(std::string(kOciConfig), dump(config))},
                     {"layers", layers}};
    Json entry = blob(std::string(kOciManifest), dump(manifest));
    entry["annotations"] = {{std::string(kRefName), tag}};
    Json manifests = index()["manifests"];
    manifests.push_back(entry);
    write_index(manifests);
    return entry["digest"];
  }

 private:
  std::string path_;
  UniqueFd fd_;
};

inline NamedKey named(const std::string& name, const PrivateKey& key) {
  return {.name = name, .key = key.public_key()};
}

inline Status sign(const Layout& layout, const PrivateKey& key, const std::string& digest,
                   const std::string& repository = kRepository) {
  sys::RealKernel kernel;
  return sign_cosign(kernel, layout.fd(), key, {.repository = repository, .digest = digest});
}

// The rule that refused; "" for success.
template <class T>
std::string rule_of(const Result<T>& result) {
  return result ? std::string() : result.error().rule;
}

inline int run(const std::string& command) {
  return std::system(command.c_str());
}

}  // namespace casemate::image
