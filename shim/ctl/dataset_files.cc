#include "shim/ctl/dataset_files.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <utility>

#include "hooks/dataset/file_io.h"

namespace casemate::ctl {
namespace {

constexpr off_t kMaxSmall = 64 * 1024;

Result<UniqueFd> open_small(const std::string& path, struct stat& facts) {
  UniqueFd file = TRY(open_to_read(path));
  if (::fstat(file.get(), &facts) != 0) return sys_error("look at " + path);
  if (!S_ISREG(facts.st_mode) || facts.st_size == 0 || facts.st_size > kMaxSmall)
    return bad_input("dataset.key-format", path + " is not a key file");
  return file;
}

}  // namespace

Result<UniqueFd> open_to_read(const std::string& path) {
  UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file) return sys_error("open " + path);
  return file;
}

Result<SecretBytes> read_secret_file(const std::string& path, bool exclusive) {
  struct stat facts{};
  const UniqueFd file = TRY(open_small(path, facts));
  if (exclusive && (facts.st_mode & 077) != 0)
    return denied("dataset.key-file", path + " can be read by others",
                  "chmod 600 it, and consider the key exposed");
  auto out = TRY(SecretBytes::allocate(static_cast<std::size_t>(facts.st_size)));
  TRY(dataset::read_at(file.get(), {out.data(), out.size()}, 0));
  return out;
}

Result<std::string> read_small_file(const std::string& path) {
  struct stat facts{};
  const UniqueFd file = TRY(open_small(path, facts));
  std::string out(static_cast<std::size_t>(facts.st_size), '\0');
  TRY(dataset::read_at(file.get(), {reinterpret_cast<unsigned char*>(out.data()), out.size()}, 0));
  return out;
}

Result<NewFile> NewFile::create(const std::string& path, mode_t mode, bool replace) {
  std::string temporary = path + ".XXXXXX";
  UniqueFd fd(::mkostemp(temporary.data(), O_CLOEXEC));
  if (!fd) return sys_error("create a file beside " + path);
  NewFile out(path, std::move(temporary), std::move(fd), replace);
  if (::fchmod(out.fd(), mode) != 0) return sys_error("set the mode of " + path);
  return out;
}

NewFile::NewFile(std::string path, std::string temporary, UniqueFd fd, bool replace)
    : path_(std::move(path)),
      temporary_(std::move(temporary)),
      fd_(std::move(fd)),
      replace_(replace) {}

NewFile::NewFile(NewFile&& other) noexcept
    : path_(std::move(other.path_)),
      temporary_(std::exchange(other.temporary_, {})),
      fd_(std::move(other.fd_)),
      replace_(other.replace_) {}

NewFile::~NewFile() {
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

Status NewFile::write(std::string_view bytes) {
  return dataset::write_at(fd(),
                           {reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size()}, 0);
}

Status NewFile::commit() {
  if (::fsync(fd()) != 0) return sys_error("write " + path_ + " to disk");
  const unsigned flags = replace_ ? 0 : RENAME_NOREPLACE;
  if (::renameat2(AT_FDCWD, temporary_.c_str(), AT_FDCWD, path_.c_str(), flags) != 0) {
    if (errno == EEXIST)
      return denied("dataset.exists", path_ + " exists", "choose another name or remove it");
    return sys_error("rename to " + path_);
  }
  temporary_.clear();
  return {};
}

}  // namespace casemate::ctl
