#include "hooks/dataset/file_io.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <utility>

namespace casemate::dataset {

Status read_at(int fd, std::span<unsigned char> out, std::uint64_t offset) {
  while (!out.empty()) {
    const ssize_t got = ::pread(fd, out.data(), out.size(), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return sys_error("read a sealed or source file");
    if (got == 0)
      return bad_input("dataset.truncated", "the file ends too early",
                       "it was truncated, now or in transit: fetch it again");
    out = out.subspan(static_cast<std::size_t>(got));
    offset += static_cast<std::uint64_t>(got);
  }
  return {};
}

Status write_at(int fd, std::span<const unsigned char> bytes, std::uint64_t offset) {
  while (!bytes.empty()) {
    const ssize_t put = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return sys_error("write a dataset's file");
    bytes = bytes.subspan(static_cast<std::size_t>(put));
    offset += static_cast<std::uint64_t>(put);
  }
  return {};
}

Result<Buffer> Buffer::allocate(std::size_t size) {
  void* at = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (at == MAP_FAILED) return sys_error("allocate a buffer");
  ::madvise(at, size, MADV_DONTDUMP);
  ::madvise(at, size, MADV_HUGEPAGE);  // both are improvements only: a refusal changes nothing
  return Buffer(static_cast<unsigned char*>(at), size);
}

Buffer::Buffer(Buffer&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

Buffer::~Buffer() {
  if (data_ == nullptr) return;
  ::explicit_bzero(data_, size_);
  ::munmap(data_, size_);
}

}  // namespace casemate::dataset
