#include "hooks/image/layers.h"

#include <locale.h>
#include <sys/stat.h>

#include "hooks/image/hash.h"
#include "hooks/image/oci_layout.h"
#include "hooks/image/tar_stream.h"

namespace casemate::image {
namespace {

constexpr std::string_view kWhiteout = ".wh.";
constexpr std::string_view kOpaque = ".wh..wh..opq";
constexpr std::size_t kMaxCapability = 64;

// libarchive converts the names of pax headers (UTF-8) to the locale's charset: with C.UTF-8 they
// stay what they are. For this thread only.
class Utf8Locale {
 public:
  Utf8Locale() : locale_(newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr)) {
    if (locale_ != nullptr) previous_ = uselocale(locale_);
  }
  ~Utf8Locale() {
    if (locale_ == nullptr) return;
    uselocale(previous_);
    freelocale(locale_);
  }
  Utf8Locale(const Utf8Locale&) = delete;
  Utf8Locale& operator=(const Utf8Locale&) = delete;

 private:
  locale_t locale_;
  locale_t previous_ = nullptr;
};

std::unexpected<Error> odd(std::string_view path, const std::string& what) {
  return unsupported("image.layer-entry", "layer entry /" + std::string(path) + " " + what,
                     "rebuild the image without it");
}

std::string capability_of(archive_entry* entry) {
  const char* name = nullptr;
  const void* value = nullptr;
  std::size_t size = 0;
  archive_entry_xattr_reset(entry);
  while (archive_entry_xattr_next(entry, &name, &value, &size) == ARCHIVE_OK)
    if (name != nullptr && std::string_view(name) == "security.capability" &&
        size <= kMaxCapability)
      return {static_cast<const char*>(value), size};
  return {};
}

Result<FileType> type_of(archive_entry* entry, std::string_view path) {
  switch (archive_entry_filetype(entry)) {
    case AE_IFREG:
      return FileType::regular;
    case AE_IFDIR:
      return FileType::directory;
    case AE_IFLNK:
      return FileType::symlink;
    case AE_IFCHR:
      return FileType::character;
    case AE_IFBLK:
      return FileType::block;
    case AE_IFIFO:
      return FileType::fifo;
    default:
      return odd(path, "is of a type that no file system has");
  }
}

Status fill_owner(archive_entry* from, std::string_view path, Entry& to) {
  const la_int64_t uid = archive_entry_uid(from), gid = archive_entry_gid(from);
  if (uid < 0 || gid < 0 || uid >= UINT32_MAX || gid >= UINT32_MAX)  // CVE-2024-40635
    return odd(path, "has an owner that is no valid id");
  to.uid = static_cast<std::uint32_t>(uid);
  to.gid = static_cast<std::uint32_t>(gid);
  return {};
}

Result<Entry> read_entry(TarStream& tar, archive_entry* from, std::string_view path) {
  Entry to;
  to.type = TRY(type_of(from, path));
  to.mode = archive_entry_perm(from) & 07777;
  TRY(fill_owner(from, path, to));
  if (to.type == FileType::character || to.type == FileType::block)
    to.device = archive_entry_rdev(from);
  if (to.type == FileType::symlink) {
    const char* target = archive_entry_symlink(from);
    if (target == nullptr || *target == '\0') return odd(path, "is a symbolic link to nothing");
    to.target = target;
  }
  if (to.type == FileType::regular) {
    if (archive_entry_size(from) < 0) return odd(path, "has no size");
    to.size = static_cast<std::uint64_t>(archive_entry_size(from));
    to.capability = capability_of(from);
    to.sha256 = TRY(tar.hash_content(to.size));
  }
  return to;
}

// A whiteout is an empty file that names what it hides.
Result<Change> read_whiteout(const std::string& path, std::size_t name_at) {
  const auto directory = path.substr(0, name_at == 0 ? 0 : name_at - 1);
  const auto name = std::string_view(path).substr(name_at);
  if (name == kOpaque) return Change{.kind = Change::opaque, .path = directory};
  const auto hidden = name.substr(kWhiteout.size());
  if (hidden.empty() || hidden == "." || hidden == ".." || hidden.starts_with(kWhiteout))
    return odd(path, "is a whiteout that is not understood");
  return Change{.kind = Change::whiteout, .path = path.substr(0, name_at) + std::string(hidden)};
}

Result<Change> read_change(TarStream& tar, archive_entry* entry) {
  const char* name = archive_entry_pathname(entry);
  if (name == nullptr) return bad_input("image.layer", "a tar member has no readable name");
  const std::string path = TRY(normalise_member(name));
  const auto slash = path.rfind('/');
  const std::size_t name_at = slash == path.npos ? 0 : slash + 1;
  if (path.compare(name_at, kWhiteout.size(), kWhiteout) == 0) return read_whiteout(path, name_at);
  if (const char* target = archive_entry_hardlink(entry); target != nullptr)
    return Change{
        .kind = Change::link, .path = path, .target = TRY(normalise_member(target)), .entry = {}};
  Entry read = TRY(read_entry(tar, entry, path));
  return Change{.kind = Change::add, .path = path, .target = {}, .entry = std::move(read)};
}

}  // namespace

Status LayerBudget::spend_bytes(std::uint64_t count) {
  if (count <= limits_.bytes && bytes_.fetch_add(count) + count <= limits_.bytes) return {};
  return bad_input("image.limit",
                   "the layers unpack to more than " + std::to_string(limits_.bytes) + " bytes");
}

Status LayerBudget::spend_entry() {
  if (entries_.fetch_add(1) < limits_.entries) return {};
  return bad_input("image.limit",
                   "the layers have more than " + std::to_string(limits_.entries) + " entries");
}

Result<std::vector<Change>> read_layer(int layout, const Descriptor& layer,
                                       const std::string& diff_id, LayerBudget& budget) {
  const Utf8Locale utf8;
  TarStream tar(TRY(open_beneath(layout, layer.blob_path())), budget);
  const auto compression = TRY(layer_compression(layer));
  TRY(tar.open(compression));
  std::vector<Change> changes;
  while (archive_entry* entry = TRY(tar.next())) {
    TRY(budget.spend_entry());
    changes.push_back(TRY(read_change(tar, entry)));
  }
  if (digest_text(TRY(tar.finish())) != diff_id)
    return denied("image.diff-id",
                  "layer " + layer.digest + " unpacks to another tar than " + diff_id,
                  "the image's config and its layers do not belong together");
  return changes;
}

}  // namespace casemate::image
