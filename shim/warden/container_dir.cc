#include "shim/warden/container_dir.h"

#include <fcntl.h>
#include <sys/file.h>

#include <algorithm>
#include <array>

#include "shim/base/encoding.h"
#include "shim/fs/host_file.h"
#include "shim/fs/names.h"
#include "shim/warden/journal.h"

namespace casemate::warden {
namespace {

constexpr std::size_t kLimit = 16 * 1024 * 1024;
constexpr const char* kLock = "lock";

std::string root_folder(std::string_view root) {
  return sha256_hex(root).substr(0, 16);
}

Result<UniqueFd> open_readable_directory(sys::Kernel& kernel, int dir, const std::string& name) {
  open_how how{};
  how.flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
  return kernel.openat2(dir, name, how);
}

bool is(const Error& error, int number) {
  return error.sys_errno == number;
}

// An abandoned directory: its life lock is free, and nothing was ever held or begun for it.
bool abandoned(sys::Kernel& kernel, int dir) {
  if (!kernel.flock(dir, LOCK_EX | LOCK_NB)) return false;
  return std::ranges::all_of(
      std::to_array({"holds.json", "control", "unit"}),
      [&](const char* name) { return ::faccessat(dir, name, F_OK, 0) != 0; });
}

Status remove_entry(sys::Kernel& kernel, int dir, const std::string& name, int flags) {
  const auto gone = kernel.unlinkat(dir, name, flags);
  return !gone && is(gone.error(), ENOENT) ? Status() : gone;
}

// All of them but one, for a writer that died may have left temporary files too.
Status remove_files(sys::Kernel& kernel, int dir, std::string_view but = {}) {
  for (const auto& [name, folder] : TRY(fs::entries_in(kernel, dir))) {
    if (name == but) continue;
    if (folder) {
      const auto inner = open_readable_directory(kernel, dir, name);
      if (inner) TRY(remove_files(kernel, inner->get()));
    }
    TRY(remove_entry(kernel, dir, name, folder ? AT_REMOVEDIR : 0));
  }
  return {};
}

// The command lock goes last: a directory without it has nothing that a command could be about.
Status empty(sys::Kernel& kernel, int dir) {
  TRY(remove_files(kernel, dir, kLock));
  return remove_entry(kernel, dir, kLock, 0);
}

Result<UniqueFd> open_lock(sys::Kernel& kernel, int dir, std::uint64_t flags) {
  open_how how{};
  how.flags = O_RDWR | O_CLOEXEC | O_NOFOLLOW | flags;
  how.mode = (flags & O_CREAT) != 0 ? 0600 : 0;
  return kernel.openat2(dir, kLock, how);
}

}  // namespace

Status check_id(std::string_view id) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '+' || c == '.' || c == '-';
  };
  if (!id.empty() && id.size() <= 255 && id != "." && id != ".." &&
      std::all_of(id.begin(), id.end(), allowed))
    return {};
  return bad_input("container.id", "\"" + printable(id.substr(0, 64)) + "\" is no container id",
                   "use 1 to 255 of the characters A-Z a-z 0-9 _ + . - (not . or .. alone)");
}

namespace {

// Whether somebody holds the lock of this directory; asked by a descriptor of its own.
Result<bool> is_locked(sys::Kernel& kernel, int dir) {
  const auto own = TRY(open_readable_directory(kernel, dir, "."));
  const auto taken = kernel.flock(own.get(), LOCK_EX | LOCK_NB);
  if (taken) return false;
  if (is(taken.error(), EWOULDBLOCK)) return true;
  return std::unexpected(taken.error());
}

// Everything that happens to the container later rests on this lock, so it is read back.
Result<UniqueFd> open_and_lock(sys::Kernel& kernel, int parent, const std::string& name) {
  auto dir = TRY(open_readable_directory(kernel, parent, name));
  TRY(kernel.flock(dir.get(), LOCK_EX | LOCK_NB));
  if (!TRY(is_locked(kernel, dir.get())))
    return internal("readback.lock", "the life lock of container " + name + " does not hold");
  TRY(open_lock(kernel, dir.get(), O_CREAT | O_EXCL));
  return dir;
}

bool is_unlinked(sys::Kernel& kernel, int dir) {
  const auto facts = kernel.fstatat(dir, "", AT_EMPTY_PATH);
  return facts && facts->st_nlink == 0;
}

// The name of an empty directory. `parent` is locked against create(): the name is no new
// container's.
Status remove_name(sys::Kernel& kernel, int parent, int dir, const std::string& name) {
  if (is_unlinked(kernel, dir)) return {};
  return remove_entry(kernel, parent, name, AT_REMOVEDIR);
}

}  // namespace

Result<ContainerDir> ContainerDir::create(sys::Kernel& kernel, const std::string& state_path,
                                          std::string_view root, std::string_view id) {
  TRY(check_id(id));
  const std::string name(id);
  auto parent = TRY(fs::make_directories(kernel, state_path + "/" + root_folder(root), 0700));
  // Until the life lock is held, a second create could take the new directory for an abandoned one.
  const auto guard = TRY(open_readable_directory(kernel, parent.get(), "."));
  TRY(kernel.flock(guard.get(), LOCK_EX));
  for (int attempt = 0;; ++attempt) {
    const auto made = kernel.mkdirat(parent.get(), name, 0700);
    if (!made && !is(made.error(), EEXIST)) return std::unexpected(made.error());
    if (made) {
      auto dir = open_and_lock(kernel, parent.get(), name);
      if (dir) return ContainerDir(kernel, std::move(parent), std::move(*dir), name);
      static_cast<void>(kernel.unlinkat(parent.get(), name, AT_REMOVEDIR));
      return std::unexpected(std::move(dir.error()));
    }
    auto dir = TRY(open_readable_directory(kernel, parent.get(), name));
    if (attempt > 0 || !abandoned(kernel, dir.get()))
      return bad_input("container.exists", "a container named \"" + name + "\" exists already",
                       "choose another id or delete that container first");
    TRY(empty(kernel, dir.get()));
    TRY(remove_name(kernel, parent.get(), dir.get(), name));
  }
}

Status ContainerDir::let_go_of_life_lock() {
  dir_ = TRY(open_readable_directory(*kernel_, dir_.get(), "."));
  return {};
}

Result<ContainerDir> ContainerDir::open(sys::Kernel& kernel, const std::string& state_path,
                                        std::string_view root, std::string_view id) {
  TRY(check_id(id));
  const std::string name(id);
  const auto unknown = [&] {
    return bad_input("container.unknown", "container \"" + name + "\" does not exist",
                     "casemate list shows those of this --root");
  };
  auto parent = fs::open_directory(kernel, state_path + "/" + root_folder(root));
  if (!parent && is(parent.error(), ENOENT)) return unknown();
  if (!parent) return std::unexpected(std::move(parent.error()));
  auto dir = open_readable_directory(kernel, parent->get(), name);
  if (!dir && is(dir.error(), ENOENT)) return unknown();
  if (!dir) return std::unexpected(std::move(dir.error()));
  return ContainerDir(kernel, std::move(*parent), std::move(*dir), name);
}

Result<std::vector<std::string>> ContainerDir::list(sys::Kernel& kernel,
                                                    const std::string& state_path,
                                                    std::string_view root) {
  std::vector<std::string> ids;
  auto parent = fs::open_directory(kernel, state_path + "/" + root_folder(root));
  if (!parent && is(parent.error(), ENOENT)) return ids;
  if (!parent) return std::unexpected(std::move(parent.error()));
  for (auto& [name, folder] : TRY(fs::entries_in(kernel, parent->get())))
    if (folder && check_id(name)) ids.push_back(std::move(name));
  std::sort(ids.begin(), ids.end());
  return ids;
}

ContainerDir ContainerDir::adopt(sys::Kernel& kernel, UniqueFd dir, std::string id) {
  return ContainerDir(kernel, UniqueFd(), std::move(dir), std::move(id));
}

Result<UniqueFd> ContainerDir::lock() {
  auto file = open_lock(*kernel_, dir_.get(), 0);
  // A container of an earlier version: its lock was made by whoever needed it first.
  const bool never_made =
      !file && is(file.error(), ENOENT) && ::faccessat(dir_.get(), "holds.json", F_OK, 0) == 0;
  if (never_made) file = open_lock(*kernel_, dir_.get(), O_CREAT);
  if (file) TRY(kernel_->flock(file->get(), LOCK_EX));
  return file;
}

Result<bool> ContainerDir::alive() {
  return is_locked(*kernel_, dir_.get());
}

namespace {

// Which of the container's files an error is about.
template <class T>
Result<T> named(const char* file, Result<T> read) {
  if (read) return read;
  return std::unexpected(std::move(read.error()).with_context(file));
}

}  // namespace

Result<std::string> ContainerDir::load_text(const char* name) {
  return fs::read_trusted_file_at(*kernel_, dir_.get(), name, kLimit);
}
Result<Json> ContainerDir::load_file(const char* name) {
  return named(name, parse_json(TRY(load_text(name))));
}

Status ContainerDir::save_state(const StateRecord& record) {
  return fs::write_atomically_at(*kernel_, dir_.get(), "state.json", dump(record.to_json()), 0600);
}
Result<StateRecord> ContainerDir::load_state() {
  const auto stored = load_file("state.json");
  if (stored) return named("state.json", StateRecord::from_json(*stored));
  Error error = stored.error();
  if (!is(error, ENOENT)) return std::unexpected(std::move(error));
  auto unmade = bad_input("container.unmade", "container \"" + id_ + "\" does not exist yet",
                          "its create is at work; one that was cut short is delete --force's");
  unmade.error().sys_errno = ENOENT;
  return unmade;
}
Status ContainerDir::save_plan(std::string_view text) {
  return fs::write_atomically_at(*kernel_, dir_.get(), "plan.json", text, 0600);
}
Result<std::string> ContainerDir::load_plan() {
  return load_text("plan.json");
}
Status ContainerDir::save_unit(const Json& unit) {
  return fs::write_atomically_at(*kernel_, dir_.get(), "unit", dump(unit), 0600);
}
Result<std::optional<Json>> ContainerDir::load_unit() {
  auto value = load_file("unit");
  if (!value && is(value.error(), ENOENT)) return std::optional<Json>();
  return std::optional(TRY(std::move(value)));
}
Status ContainerDir::save_result(const EndRecord& record) {
  return fs::write_atomically_at(*kernel_, dir_.get(), "result", dump(record.to_json()), 0600);
}
Result<std::optional<EndRecord>> ContainerDir::load_result() {
  auto value = load_file("result");
  if (!value && is(value.error(), ENOENT)) return std::optional<EndRecord>();
  return std::optional(TRY(named("result", EndRecord::from_json(TRY(std::move(value))))));
}

Status ContainerDir::remove() {
  if (is_unlinked(*kernel_, dir_.get())) return {};
  TRY(empty(*kernel_, dir_.get()));
  const int below = parent_ ? parent_.get() : dir_.get();
  const auto parent = TRY(open_readable_directory(*kernel_, below, parent_ ? "." : ".."));
  TRY(kernel_->flock(parent.get(), LOCK_EX));
  return remove_name(*kernel_, parent.get(), dir_.get(), id_);
}

}  // namespace casemate::warden
