#include "shim/sys/render.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <sys/sysmacros.h>

#include <cstdio>

#include "shim/base/result.h"

namespace casemate::sys {
namespace {

// O_CLOEXEC is on every descriptor and is not shown.
constexpr FlagName kOpenFlags[] = {
    {O_TMPFILE, "TMPFILE"}, {O_DIRECTORY, "DIRECTORY"}, {O_PATH, "PATH"},
    {O_WRONLY, "WRONLY"},   {O_RDWR, "RDWR"},           {O_CREAT, "CREAT"},
    {O_EXCL, "EXCL"},       {O_NOFOLLOW, "NOFOLLOW"},   {O_NONBLOCK, "NONBLOCK"},
    {O_NOCTTY, "NOCTTY"},   {O_APPEND, "APPEND"},       {O_TRUNC, "TRUNC"},
};
constexpr FlagName kResolveFlags[] = {
    {RESOLVE_IN_ROOT, "IN_ROOT"},
    {RESOLVE_BENEATH, "BENEATH"},
    {RESOLVE_NO_MAGICLINKS, "NO_MAGICLINKS"},
    {RESOLVE_NO_SYMLINKS, "NO_SYMLINKS"},
    {RESOLVE_NO_XDEV, "NO_XDEV"},
};
constexpr FlagName kMountAttributes[] = {
    {MOUNT_ATTR_RDONLY, "RDONLY"},
    {MOUNT_ATTR_NOSUID, "NOSUID"},
    {MOUNT_ATTR_NODEV, "NODEV"},
    {MOUNT_ATTR_NOEXEC, "NOEXEC"},
    {MOUNT_ATTR_NOATIME, "NOATIME"},
    {MOUNT_ATTR_STRICTATIME, "STRICTATIME"},
    {MOUNT_ATTR_NODIRATIME, "NODIRATIME"},
    {MOUNT_ATTR_IDMAP, "IDMAP"},
    {MOUNT_ATTR_NOSYMFOLLOW, "NOSYMFOLLOW"},
};
constexpr FlagName kPropagation[] = {
    {1UL << 17, "UNBINDABLE"},
    {1UL << 18, "PRIVATE"},
    {1UL << 19, "SLAVE"},
    {1UL << 20, "SHARED"},
};
constexpr FlagName kCloneFlags[] = {
    {CLONE_NEWUSER, "NEWUSER"}, {CLONE_NEWNS, "NEWNS"},         {CLONE_NEWPID, "NEWPID"},
    {CLONE_NEWNET, "NEWNET"},   {CLONE_NEWIPC, "NEWIPC"},       {CLONE_NEWUTS, "NEWUTS"},
    {CLONE_NEWTIME, "NEWTIME"}, {CLONE_NEWCGROUP, "NEWCGROUP"}, {CLONE_PARENT, "PARENT"},
};

constexpr FlagName kOpenTreeFlags[] = {
    {OPEN_TREE_CLONE, "CLONE"},
    {AT_RECURSIVE, "RECURSIVE"},
    {AT_EMPTY_PATH, "EMPTY_PATH"},
    {AT_SYMLINK_NOFOLLOW, "NOFOLLOW"},
};

std::string number(const char* format, unsigned long value) {
  char text[32];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

}  // namespace

std::string render_flags(std::uint64_t value, std::span<const FlagName> names) {
  std::string text;
  for (const auto& [bits, name] : names) {
    if (bits == 0 || (value & bits) != bits) continue;
    value &= ~bits;
    text += (text.empty() ? "" : "|") + std::string(name);
  }
  if (value != 0) text += (text.empty() ? "" : "|") + number("%#lx", value);
  return text.empty() ? "0" : text;
}

std::string render_open(const std::string& path, const open_how& how) {
  std::string text = printable(path);
  text += " " + render_flags(how.flags & ~static_cast<std::uint64_t>(O_CLOEXEC), kOpenFlags);
  if (how.mode != 0) text += " mode=" + render_mode(static_cast<unsigned>(how.mode));
  if (how.resolve != 0) text += " resolve=" + render_flags(how.resolve, kResolveFlags);
  return text;
}

std::string render_mount_attributes(std::uint64_t attributes) {
  return render_flags(attributes, kMountAttributes);
}

std::string render_mount_attr(unsigned flags, const mount_attr& attributes) {
  std::string text = (flags & AT_RECURSIVE) != 0 ? "recursive" : "one";
  if (attributes.attr_set != 0) text += " set=" + render_mount_attributes(attributes.attr_set);
  if (attributes.attr_clr != 0) text += " clear=" + render_mount_attributes(attributes.attr_clr);
  if (attributes.propagation != 0)
    text += " propagation=" + render_flags(attributes.propagation, kPropagation);
  return text;
}

std::string render_clone(std::uint64_t flags) {
  return render_flags(flags, kCloneFlags);
}

std::string render_mode(unsigned mode) {
  return number("0%lo", mode);
}

std::string render_device(dev_t device) {
  return std::to_string(major(device)) + ":" + std::to_string(minor(device));
}

std::string render_open_tree(unsigned flags) {
  return render_flags(flags & ~static_cast<unsigned>(OPEN_TREE_CLOEXEC), kOpenTreeFlags);
}

std::string render_numbers(const std::vector<std::uint32_t>& numbers) {
  std::string line = "[";
  for (const std::uint32_t one : numbers)
    line += (line.size() > 1 ? " " : "") + std::to_string(one);
  return line + "]";
}

std::string render_scheduling(const Scheduling& wanted) {
  return "policy=" + std::to_string(wanted.policy) + " flags=" + number("%#lx", wanted.flags) +
         " nice=" + std::to_string(wanted.nice) + " priority=" + std::to_string(wanted.priority) +
         " runtime=" + std::to_string(wanted.runtime) +
         " deadline=" + std::to_string(wanted.deadline) +
         " period=" + std::to_string(wanted.period);
}

std::string render_limit(int resource, const rlimit& limit) {
  return std::to_string(resource) + " " + std::to_string(limit.rlim_cur) + " " +
         std::to_string(limit.rlim_max);
}

std::string render_capabilities(const CapabilitySets& sets) {
  return "effective=" + number("%#lx", sets.effective) +
         " permitted=" + number("%#lx", sets.permitted) +
         " inheritable=" + number("%#lx", sets.inheritable);
}

std::string render_bytes(std::string_view bytes) {
  constexpr std::size_t kShort = 64;
  if (bytes.size() > kShort) return std::to_string(bytes.size()) + " bytes";
  return "\"" + printable(bytes) + "\"";
}

std::string render_list(const std::vector<std::string>& texts) {
  std::string line = "[";
  for (const auto& text : texts) line += (line.size() > 1 ? " " : "") + render_bytes(text);
  return line + "]";
}

}  // namespace casemate::sys
