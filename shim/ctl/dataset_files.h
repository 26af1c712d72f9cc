// Keys and outputs of the dataset commands.
#pragma once

#include <string>

#include "hooks/dataset/jose.h"
#include "shim/base/result.h"
#include "shim/base/secret_bytes.h"
#include "shim/base/unique_fd.h"

namespace casemate::ctl {

Result<UniqueFd> open_to_read(const std::string& path);
// A small file straight into secret memory. `exclusive` refuses (denied dataset.key-file) one that
// group or others can read.
Result<SecretBytes> read_secret_file(const std::string& path, bool exclusive);
Result<std::string> read_small_file(const std::string& path);

// A file that appears under its name only when commit() has succeeded; removed otherwise.
class NewFile {
 public:
  // `replace` false: commit() fails with denied "dataset.exists" when the name is taken.
  static Result<NewFile> create(const std::string& path, mode_t mode, bool replace);
  NewFile(NewFile&& other) noexcept;
  NewFile& operator=(NewFile&&) = delete;
  ~NewFile();
  int fd() const { return fd_.get(); }
  Status write(std::string_view bytes);
  Status commit();

 private:
  NewFile(std::string path, std::string temporary, UniqueFd fd, bool replace);
  std::string path_;
  std::string temporary_;  // empty when committed or moved from
  UniqueFd fd_;
  bool replace_;
};

}  // namespace casemate::ctl
