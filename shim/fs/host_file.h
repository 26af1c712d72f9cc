// Files of the host that configuration names: read whole, written whole.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>

#include "shim/base/result.h"
#include "shim/base/unique_fd.h"
#include "shim/sys/kernel.h"

namespace casemate::fs {

// A regular file of at most `limit` bytes (bad_input beyond; FIFOs and devices are refused).
Result<std::string> read_file(sys::Kernel& kernel, const std::string& path, std::size_t limit);
Result<std::string> read_file_at(sys::Kernel& kernel, int dir, const std::string& name,
                                 std::size_t limit);
// Whether nothing is there and nothing was meant to be: no link on the way leads to what is
// missing, such as a volume that is not mounted. For what may be left out, and then has a default.
bool is_absent(sys::Kernel& kernel, const std::string& path);
// A pipe, a terminal or another stream until its end; bad_input "host.file-size" beyond `limit`
// bytes. `name` is for the error.
Result<std::string> read_to_end(sys::Kernel& kernel, int fd, const std::string& name,
                                std::size_t limit);
// As read_file, and refuses (denied "host.file-owner") a file that another user than root owns or
// that group or others may write: for profiles, trust and rules.
Result<std::string> read_trusted_file(sys::Kernel& kernel, const std::string& path,
                                      std::size_t limit);
// The same of a file that we keep in a directory of ours: neither is a symbolic link followed.
Result<std::string> read_trusted_file_at(sys::Kernel& kernel, int dir, const std::string& name,
                                         std::size_t limit);
// Temporary file beside it (".NAME.<random>"), then rename: readers see the old or the new text,
// never a part. `mode` is set whatever the umask is. Not synced: a crash of the machine may lose
// it.
Status write_atomically_at(sys::Kernel& kernel, int dir, const std::string& name,
                           std::string_view bytes, mode_t mode);
Status write_atomically(sys::Kernel& kernel, const std::string& path, std::string_view bytes,
                        mode_t mode);
// As write_atomically, and on disk when it returns: for records that must outlive a power cut.
Status write_durably(sys::Kernel& kernel, const std::string& path, std::string_view bytes,
                     mode_t mode);
// A file of the kernel's (procfs, sysfs) that is there: in one write, which the kernel takes whole.
Status write_kernel_file(sys::Kernel& kernel, const std::string& path, std::string_view text);
// Every byte or an error.
Status write_all(sys::Kernel& kernel, int fd, std::string_view bytes);
// O_PATH|O_DIRECTORY descriptor of `path`, made with its parents (each with `mode`) when absent.
Result<UniqueFd> make_directories(sys::Kernel& kernel, const std::string& path, mode_t mode);
Result<UniqueFd> open_directory(sys::Kernel& kernel, const std::string& path);

}  // namespace casemate::fs
