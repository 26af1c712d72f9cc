#include "hooks/dataset/locked_arena.h"

#include <jansson.h>
#include <string.h>
#include <unistd.h>

#include <array>
#include <bit>
#include <mutex>

#include "shim/base/secret_bytes.h"

namespace casemate::dataset {
namespace {

constexpr std::size_t kArenaBytes = std::size_t{1} << 20;
constexpr std::size_t kSmallest = 32;  // a block's size, its header included
constexpr std::size_t kClasses = 16;   // 32 bytes … 1 MiB

// Power-of-two blocks and a free list for each size: little enough to be read at a glance.
struct Block {
  std::size_t size_class;
  Block* next;
};
static_assert(sizeof(Block) == 16);  // keeps what follows aligned as malloc would

class Arena {
 public:
  Status open() {
    const std::lock_guard lock(mutex_);
    if (owner_ == ::getpid()) return {};
    auto memory = TRY(SecretBytes::allocate(kArenaBytes));
    // After a fork the parent's pages are not mapped here: forget them, unmap nothing.
    new (&memory_) SecretBytes(std::move(memory));
    free_.fill(nullptr);
    used_ = in_use_ = 0;
    owner_ = ::getpid();
    return {};
  }

  void* allocate(std::size_t size) {
    const std::lock_guard lock(mutex_);
    if (owner_ == 0 || size > kArenaBytes / 2) return nullptr;
    const std::size_t total = std::bit_ceil(std::max(size + sizeof(Block), kSmallest));
    const auto size_class = static_cast<std::size_t>(std::countr_zero(total / kSmallest));
    Block* block = free_[size_class];
    if (block != nullptr) {
      free_[size_class] = block->next;
    } else {
      if (used_ + total > kArenaBytes) return nullptr;
      block = reinterpret_cast<Block*>(memory_.data() + used_);
      used_ += total;
    }
    *block = {size_class, nullptr};
    in_use_ += total;
    return block + 1;
  }

  void release(void* at) {
    if (at == nullptr) return;
    const std::lock_guard lock(mutex_);
    Block* block = static_cast<Block*>(at) - 1;
    const std::size_t total = kSmallest << block->size_class;
    ::explicit_bzero(at, total - sizeof(Block));
    block->next = free_[block->size_class];
    free_[block->size_class] = block;
    in_use_ -= total;
  }

  std::size_t in_use() {
    const std::lock_guard lock(mutex_);
    return in_use_;
  }
  bool contains(const void* at) {
    const auto* byte = static_cast<const unsigned char*>(at);
    return byte >= memory_.data() && byte < memory_.data() + memory_.size();
  }

 private:
  std::mutex mutex_;
  // In a union so that no destructor unmaps the arena while other static objects still hold JSON.
  union {
    SecretBytes memory_{};
  };
  std::array<Block*, kClasses> free_{};
  std::size_t used_ = 0;
  std::size_t in_use_ = 0;
  pid_t owner_ = 0;

 public:
  ~Arena() {}
  Arena() {}
};

Arena& arena() {
  static Arena instance;
  return instance;
}

void* json_allocate(std::size_t size) {
  return arena().allocate(size);
}
void json_release(void* at) {
  arena().release(at);
}

}  // namespace

Status use_locked_json() {
  TRY(arena().open());
  json_set_alloc_funcs(json_allocate, json_release);
  return {};
}

std::size_t locked_json_in_use() {
  return arena().in_use();
}
bool in_locked_arena(const void* at) {
  return arena().contains(at);
}

}  // namespace casemate::dataset
