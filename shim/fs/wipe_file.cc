#include "shim/fs/wipe_file.h"

#include <sched.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <system_error>
#ifdef __x86_64__
#include <emmintrin.h>
#else
#include <cstring>
#endif

namespace casemate::fs {
namespace {

constexpr std::uint64_t kPage = 4096;
constexpr std::uint64_t kPiece = std::uint64_t{32} << 20;  // what one thread takes at a time
// Below this size write(2) is faster than mapping; above it, stores past the cache into a mapping
// reach the memory's bandwidth (huge pages: 26 GiB/s against 8 here).
constexpr std::uint64_t kMapFrom = std::uint64_t{2} << 20;
constexpr std::size_t kQueue = 128;

unsigned thread_count() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (::sched_getaffinity(0, sizeof set, &set) != 0) return 2;
  return static_cast<unsigned>(std::clamp(CPU_COUNT(&set), 2, 16));
}

// `size` is a multiple of the page size and `at` page-aligned.
void store_zeros(void* at, std::size_t size) {
#ifdef __x86_64__
  auto* word = static_cast<__m128i*>(at);
  const __m128i zero = _mm_setzero_si128();
  for (std::size_t i = 0; i < size / sizeof *word; i += 4) {
    _mm_stream_si128(word + i, zero);
    _mm_stream_si128(word + i + 1, zero);
    _mm_stream_si128(word + i + 2, zero);
    _mm_stream_si128(word + i + 3, zero);
  }
  _mm_sfence();
#else
  std::memset(at, 0, size);
#endif
}

Status zero_by_map(int file, std::uint64_t begin, std::uint64_t length) {
  void* at =
      ::mmap(nullptr, length, PROT_READ | PROT_WRITE, MAP_SHARED, file, static_cast<off_t>(begin));
  if (at == MAP_FAILED) return sys_error("map a file to overwrite it");
  store_zeros(at, length);
  ::munmap(at, length);
  return {};
}

Status zero_by_write(int file, std::uint64_t begin, std::uint64_t length) {
  static constexpr std::array<unsigned char, 64 * 1024> kZeros{};
  while (length > 0) {
    const std::size_t step = std::min<std::uint64_t>(length, kZeros.size());
    const ssize_t put = ::pwrite(file, kZeros.data(), step, static_cast<off_t>(begin));
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return sys_error("overwrite a file");
    begin += static_cast<std::uint64_t>(put);
    length -= static_cast<std::uint64_t>(put);
  }
  return {};
}

// Three samples of a range: its begin, its middle, its end.
Status read_back(int file, std::uint64_t begin, std::uint64_t length) {
  std::array<unsigned char, 64> sample;
  const std::uint64_t last = length - sample.size();
  for (const std::uint64_t offset : {std::uint64_t{0}, last / 2, last}) {
    const ssize_t got =
        ::pread(file, sample.data(), sample.size(), static_cast<off_t>(begin + offset));
    if (got != static_cast<ssize_t>(sample.size())) return sys_error("read an overwritten file");
    if (std::any_of(sample.begin(), sample.end(), [](unsigned char b) { return b != 0; }))
      return internal("wipe.readback", "bytes of a file are still there after overwriting",
                      "treat the host's memory as tainted: reboot it");
  }
  return {};
}

Status zero(int file, std::uint64_t begin, std::uint64_t length) {
  TRY(length >= kMapFrom ? zero_by_map(file, begin, length) : zero_by_write(file, begin, length));
  return read_back(file, begin, length);
}

}  // namespace

Overwriter::Overwriter() {
  for (unsigned i = 0; i < thread_count(); ++i) {
    try {
      threads_.emplace_back([this] { work(); });
    } catch (const std::system_error&) {
      break;  // push() does the work itself when there is no thread at all
    }
  }
}

Overwriter::~Overwriter() {
  (void)finish();
}

Status Overwriter::overwrite(UniqueFd file) {
  struct stat facts{};
  if (::fstat(file.get(), &facts) != 0) return sys_error("look at a file to overwrite");
  auto size = static_cast<std::uint64_t>(facts.st_size);
  // A mapping may have stored bytes behind the end of the file, up to the end of its last page.
  if (size % kPage != 0) {
    size += kPage - size % kPage;
    if (::ftruncate(file.get(), static_cast<off_t>(size)) != 0)
      return sys_error("extend a file to its last page");
  }
  const auto shared = std::make_shared<UniqueFd>(std::move(file));
  for (std::uint64_t at = 0; at < size;) {
    const off_t data = ::lseek(shared->get(), static_cast<off_t>(at), SEEK_DATA);
    if (data < 0 && errno == ENXIO) return {};  // only holes from here on
    if (data < 0) return sys_error("find the data of a file");
    const off_t hole = ::lseek(shared->get(), data, SEEK_HOLE);
    if (hole < 0) return sys_error("find the holes of a file");
    const auto end = static_cast<std::uint64_t>(hole);
    for (at = static_cast<std::uint64_t>(data) / kPage * kPage; at < end; at += kPiece)
      push({shared, at, std::min(kPiece, (end + kPage - 1) / kPage * kPage - at)});
    at = end;
  }
  return {};
}

void Overwriter::push(Piece piece) {
  if (threads_.empty()) return process(piece);
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return queue_.size() < kQueue; });
  queue_.push_back(std::move(piece));
  ++unfinished_;
  changed_.notify_all();
}

void Overwriter::work() {
  while (true) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return closed_ || !queue_.empty(); });
    if (queue_.empty()) return;
    const Piece piece = std::move(queue_.front());
    queue_.pop_front();
    changed_.notify_all();
    lock.unlock();
    process(piece);
    lock.lock();
    --unfinished_;
    changed_.notify_all();
  }
}

void Overwriter::drain() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return unfinished_ == 0; });
}

void Overwriter::process(const Piece& piece) {
  auto done = zero(piece.file->get(), piece.begin, piece.length);
  const std::lock_guard lock(mutex_);
  if (done) {
    bytes_ += piece.length;
  } else if (!first_error_) {
    first_error_ = std::move(done.error());
  }
}

Result<std::uint64_t> Overwriter::finish() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    changed_.notify_all();
  }
  threads_.clear();  // joins; the queue is empty then
  if (first_error_) return std::unexpected(*first_error_);
  return bytes_;
}

}  // namespace casemate::fs
