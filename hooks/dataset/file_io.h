// Whole reads and writes at an offset; short transfers and EINTR are dealt with here.
#pragma once

#include <cstdint>
#include <span>

#include "shim/base/result.h"

namespace casemate::dataset {

// Exactly out.size() bytes; an earlier end is bad_input "dataset.truncated".
Status read_at(int fd, std::span<unsigned char> out, std::uint64_t offset);
Status write_at(int fd, std::span<const unsigned char> bytes, std::uint64_t offset);

// Page-aligned memory that is zeroed before it is given back, and left out of core dumps.
class Buffer {
 public:
  static Result<Buffer> allocate(std::size_t size);
  Buffer(Buffer&& other) noexcept;
  Buffer& operator=(Buffer&&) = delete;
  Buffer(const Buffer&) = delete;
  ~Buffer();
  std::span<unsigned char> bytes() { return {data_, size_}; }

 private:
  Buffer(unsigned char* data, std::size_t size) : data_(data), size_(size) {}
  unsigned char* data_;
  std::size_t size_;
};

}  // namespace casemate::dataset
