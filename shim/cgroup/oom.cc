#include "shim/cgroup/oom.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>

#include <charconv>
#include <cstring>

#include "shim/cgroup/files.h"

namespace casemate::cgroup {
namespace {

constexpr const char* kControl = "memory.oom_control";
constexpr const char* kEvents = "memory.events";
constexpr std::size_t kPiece = 4096;

}  // namespace

std::uint64_t flat_number(std::string_view text, std::string_view key) {
  for (const std::string_view line : split(text, '\n')) {
    const auto pair = words(line);
    if (pair.size() != 2 || pair[0] != key) continue;
    std::uint64_t value = 0;
    std::from_chars(pair[1].data(), pair[1].data() + pair[1].size(), value);
    return value;
  }
  return 0;
}

Result<OomWatch> OomWatch::start(sys::Kernel& kernel, int leaf, bool v2) {
  OomWatch watch(kernel, v2);
  watch.leaf_ = TRY(open_below(kernel, leaf, ".", O_RDONLY | O_DIRECTORY));
  TRY(v2 ? watch.watch_v2() : watch.watch_v1());
  return watch;
}

// cgroup-v1/memory.rst, "OOM Control".
Status OomWatch::watch_v1() {
  events_.reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!events_) return sys_error("make an eventfd");
  const UniqueFd control = TRY(open_below(*kernel_, leaf_.get(), kControl, O_RDONLY));
  return write_file(*kernel_, leaf_.get(), "cgroup.event_control",
                    std::to_string(events_.get()) + " " + std::to_string(control.get()));
}

Status OomWatch::watch_v2() {
  events_.reset(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (!events_) return sys_error("make an inotify descriptor");
  const UniqueFd file = TRY(open_below(*kernel_, leaf_.get(), kEvents, O_RDONLY));
  const std::string path = "/proc/self/fd/" + std::to_string(file.get());
  if (::inotify_add_watch(events_.get(), path.c_str(), IN_MODIFY) < 0)
    return sys_error("watch memory.events");
  kills_ = flat_number(TRY(read_file(*kernel_, leaf_.get(), kEvents)), "oom_kill");
  return {};
}

Result<bool> OomWatch::take() {
  return v2_ ? take_v2() : take_v1();
}

Result<bool> OomWatch::take_v1() {
  const auto bytes = kernel_->read(events_.get(), sizeof(std::uint64_t));
  if (!bytes && bytes.error().sys_errno == EAGAIN) return false;
  if (!bytes) return std::unexpected(bytes.error());
  std::uint64_t count = 0;
  std::memcpy(&count, bytes->data(), std::min(bytes->size(), sizeof count));
  // The removal of the control group counts as one, too.
  const bool there = read_file(*kernel_, leaf_.get(), kControl).has_value();
  return count > (there ? 0U : 1U);
}

Result<bool> OomWatch::take_v2() {
  while (true) {
    const auto bytes = kernel_->read(events_.get(), kPiece);
    if (!bytes && bytes.error().sys_errno == EAGAIN) break;
    if (!bytes) return std::unexpected(bytes.error());
    if (bytes->empty()) break;
  }
  const auto text = read_file(*kernel_, leaf_.get(), kEvents);
  if (!text) return false;  // removed
  const std::uint64_t before = kills_;
  kills_ = flat_number(*text, "oom_kill");
  return kills_ > before;
}

}  // namespace casemate::cgroup
