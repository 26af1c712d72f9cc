// The file tree that an image's layers make (image-spec layer.md): what the unpacked rootfs must
// look like. Pure: layers are applied as lists of changes.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "shim/base/encoding.h"
#include "shim/base/result.h"

namespace casemate::image {

enum class FileType { regular, directory, symlink, character, block, fifo };
std::string_view to_string(FileType type);

struct Entry {
  FileType type = FileType::directory;
  mode_t mode = 0755;  // permission bits with set-id and sticky bits
  std::uint32_t uid = 0, gid = 0;
  std::uint64_t size = 0;  // regular files
  Sha256 sha256{};         // regular files
  std::string target;      // symbolic links
  dev_t device = 0;        // character and block devices
  std::string capability;  // bytes of security.capability; regular files
  bool implied = false;    // a parent that no layer describes: engines choose its mode
};

// One entry of a layer's tar, in the order of the tar. Paths are relative, normalised, without
// "..".
struct Change {
  enum Kind { add, link, whiteout, opaque } kind = add;
  std::string path;    // link: the new name; whiteout: what is hidden; opaque: the directory
  std::string target;  // link: the path of the existing file
  Entry entry;         // add
};

struct Node {
  Entry entry;
  std::map<std::string, std::unique_ptr<Node>, std::less<>> children;
};

class Tree {
 public:
  const Node& root() const { return root_; }
  // nullptr when absent. Symbolic links are not followed.
  const Node* find(std::string_view path) const;
  std::size_t size() const;  // entries, without the root

  // Applies one layer over those applied before: whiteouts first (they concern lower layers only),
  // then the entries in order. Parents that are symbolic links of the image are followed inside the
  // tree, as engines do. bad_input "image.layer".
  Status apply(std::vector<Change> layer);

 private:
  Result<Node*> parent_of(std::string_view path, bool create);
  Status hide(const Change& change);
  Status add(Change change);
  Status link(const Change& change);
  Node root_;
};

// Calls `visit` with "/path" of every entry below the root, parents first, in byte order.
void for_each(const Tree& tree,
              const std::function<void(const std::string& path, const Entry& entry)>& visit);

// Checks and normalises a tar member's name: "./a//b/" becomes "a/b", "./" becomes "". bad_input
// "image.layer-path" for absolute names, "..", names longer than 4095 and components over 255
// bytes.
Result<std::string> normalise_member(std::string_view name);

}  // namespace casemate::image
