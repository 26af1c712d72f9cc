#include "hooks/dataset/index.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "hooks/dataset/format.h"

namespace casemate::dataset {
namespace {

constexpr std::array<unsigned char, 8> kIndexMagic = {'C', 'M', 'D', 'X', 1, 0, 0, 0};
constexpr std::size_t kHeadBytes = 16;
constexpr std::size_t kRecordBytes = 40;  // before the path
constexpr std::size_t kMaxPath = 4095;
constexpr std::size_t kMaxName = 255;
constexpr std::size_t kMaxDepth = 128;

std::unexpected<Error> malformed(std::uint64_t number, std::string_view what) {
  return bad_input("dataset.index",
                   "index entry " + std::to_string(number) + ": " + std::string(what),
                   "the sealing program is at fault: seal the dataset again");
}

template <class T>
void put(std::vector<unsigned char>& out, T value) {
  for (std::size_t i = 0; i < sizeof(T); ++i)
    out.push_back(static_cast<unsigned char>(static_cast<std::uint64_t>(value) >> (8 * i)));
}

// Reads little-endian numbers off a span; the caller has checked that they are there.
class Cursor {
 public:
  explicit Cursor(const unsigned char* at) : at_(at) {}
  template <class T>
  T get() {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < sizeof(T); ++i) value |= std::uint64_t{at_[i]} << (8 * i);
    at_ += sizeof(T);
    return static_cast<T>(value);
  }

 private:
  const unsigned char* at_;
};

struct Record {
  Entry entry;
  std::uint8_t kind = 0;
  std::uint8_t reserved = 0;
  std::uint32_t reserved2 = 0;
  std::size_t path_bytes = 0;
};

Record read_record(const unsigned char* at) {
  Cursor in(at);
  Record r;
  r.kind = in.get<std::uint8_t>();
  r.reserved = in.get<std::uint8_t>();
  r.path_bytes = in.get<std::uint16_t>();
  r.entry.mode = in.get<std::uint32_t>();
  r.entry.mtime_seconds = in.get<std::int64_t>();
  r.entry.mtime_nanoseconds = in.get<std::uint32_t>();
  r.reserved2 = in.get<std::uint32_t>();
  r.entry.offset = in.get<std::uint64_t>();
  r.entry.size = in.get<std::uint64_t>();
  r.entry.directory = r.kind == 'd';
  return r;
}

std::string_view parent_of(std::string_view path) {
  const auto slash = path.rfind('/');
  return slash == std::string_view::npos ? std::string_view() : path.substr(0, slash);
}

// Knows the folders that are open in the depth-first order: a parent must be among them.
class Order {
 public:
  bool accept(const Entry& entry) {
    if (!last_.empty() && !path_less(last_, entry.path)) return false;
    last_ = entry.path;
    const std::string_view parent = parent_of(entry.path);
    while (!open_.empty() && open_.back() != parent) open_.pop_back();
    if (open_.empty() && !parent.empty()) return false;
    if (entry.directory) open_.push_back(entry.path);
    return true;
  }

 private:
  std::string_view last_;
  std::vector<std::string_view> open_;
};

bool sane(const Record& r) {
  const bool kind = r.kind == 'f' || (r.kind == 'd' && r.entry.size == 0 && r.entry.offset == 0);
  return kind && r.reserved == 0 && r.reserved2 == 0 && r.entry.mode <= 0777 &&
         r.entry.mtime_nanoseconds < 1'000'000'000;
}

}  // namespace

bool path_less(std::string_view a, std::string_view b) {
  // '/' sorts below every other byte, so that a folder's content follows the folder itself.
  const auto rank = [](char c) { return c == '/' ? 0 : static_cast<unsigned char>(c); };
  return std::lexicographical_compare(a.begin(), a.end(), b.begin(), b.end(),
                                      [&](char x, char y) { return rank(x) < rank(y); });
}

bool is_safe_path(std::string_view path) {
  if (path.empty() || path.size() > kMaxPath || path.find('\0') != std::string_view::npos)
    return false;
  std::size_t depth = 0;
  while (true) {
    const auto slash = path.find('/');
    const std::string_view name = path.substr(0, slash);
    if (name.empty() || name == "." || name == ".." || name.size() > kMaxName) return false;
    if (++depth > kMaxDepth) return false;
    if (slash == std::string_view::npos) return true;
    path.remove_prefix(slash + 1);
  }
}

std::uint64_t place_file(std::uint64_t end, std::uint64_t size) {
  return size >= kAlignedFile ? align_up(end, kChunk) : end;
}

std::vector<unsigned char> encode_index(std::span<const Entry> entries) {
  std::vector<unsigned char> out(kIndexMagic.begin(), kIndexMagic.end());
  put<std::uint64_t>(out, entries.size());
  for (const Entry& e : entries) {
    put<std::uint8_t>(out, static_cast<std::uint8_t>(e.directory ? 'd' : 'f'));
    put<std::uint8_t>(out, 0);
    put<std::uint16_t>(out, static_cast<std::uint16_t>(e.path.size()));
    put<std::uint32_t>(out, e.mode);
    put<std::int64_t>(out, e.mtime_seconds);
    put<std::uint32_t>(out, e.mtime_nanoseconds);
    put<std::uint32_t>(out, 0);
    put<std::uint64_t>(out, e.offset);
    put<std::uint64_t>(out, e.size);
    out.insert(out.end(), e.path.begin(), e.path.end());
  }
  return out;
}

Result<Index> Index::parse(SecretBytes bytes, std::uint64_t payload_bytes) {
  const unsigned char* data = bytes.data();
  if (bytes.size() < kHeadBytes || !std::equal(kIndexMagic.begin(), kIndexMagic.end(), data))
    return malformed(0, "the index does not begin as one");
  const auto count = Cursor(data + 8).get<std::uint64_t>();
  // Each record takes at least 41 bytes: no allocation is larger than the index justifies.
  if (count > kMaxEntries || count > bytes.size() / kRecordBytes)
    return malformed(0, "more entries than the index can hold");
  Index out;
  out.entries_.reserve(count);
  Order order;
  std::size_t at = kHeadBytes;
  std::uint64_t end = 0;
  for (std::uint64_t i = 0; i < count; ++i) {
    if (bytes.size() - at < kRecordBytes) return malformed(i, "is cut off");
    Record record = read_record(data + at);
    at += kRecordBytes;
    if (record.path_bytes > bytes.size() - at) return malformed(i, "its path is cut off");
    Entry& entry = record.entry;
    entry.path = {reinterpret_cast<const char*>(data + at), record.path_bytes};
    at += record.path_bytes;
    if (!sane(record)) return malformed(i, "kind, mode or time out of range");
    if (!is_safe_path(entry.path)) return malformed(i, "unsafe path");
    if (!order.accept(entry))
      return malformed(i, "out of order, duplicate, or in no listed folder");
    if (!entry.directory) {
      const bool placed =
          entry.size <= payload_bytes && entry.offset == place_file(end, entry.size);
      if (!placed || entry.offset > payload_bytes - entry.size)
        return malformed(i, "its range is not where the format puts it");
      end = entry.end();
      ++out.files_;
      out.total_ += entry.size;
      out.pages_ += align_up(entry.size, kAlign);
    }
    out.entries_.push_back(entry);
  }
  if (at != bytes.size() || end != payload_bytes)
    return malformed(count, "index or payload longer than its entries");
  out.bytes_ = std::move(bytes);
  return out;
}

}  // namespace casemate::dataset
