#include "hooks/image/extras.h"

#include <sys/stat.h>
#include <unistd.h>

#include <array>

namespace casemate::image {
namespace {

bool is_below(const std::string& path, std::string_view directory) {
  return path.size() > directory.size() && path.starts_with(directory) &&
         (directory.ends_with('/') || path[directory.size()] == '/');
}

bool covers(std::string_view pattern, const std::string& path) {
  for (const std::string_view wildcard : {"/**", "/*"})
    if (pattern.ends_with(wildcard)) {
      const auto directory = pattern.substr(0, pattern.size() - wildcard.size());
      // "/*" alone would be the whole rootfs, and no comparison at all.
      return !directory.empty() && (is_below(path, directory) || path == directory ||
                                    is_below(std::string(directory), path));
    }
  return path == pattern || is_below(std::string(pattern), path);
}

bool has_engine_content(const std::string& path) {
  return path == "/etc/hosts" || path == "/etc/hostname" || path == "/etc/resolv.conf";
}

}  // namespace

bool may_be_extra(const Extras& extras, const std::string& path) {
  for (const auto* list : {&extras.engine_files, &extras.mount_points})
    for (const auto& pattern : *list)
      if (pattern.starts_with('/') && covers(pattern, path)) return true;
  return false;
}

std::string harm_of_extra(const std::string& path, const struct stat& facts,
                          const std::string& target) {
  // A mount on it would land where it leads: over any file of the image.
  if (S_ISLNK(facts.st_mode)) {
    const bool mtab = path == "/etc/mtab" && target == "/proc/mounts";
    return mtab ? "" : "is a symbolic link that the signed image does not have";
  }
  const bool directory = S_ISDIR(facts.st_mode);
  if (!directory && !S_ISREG(facts.st_mode))
    return "is a special file that the signed image does not have";
  if (!directory && facts.st_size != 0 && !has_engine_content(path))
    return "is a file with content that the signed image does not have";
  if ((facts.st_mode & (S_ISUID | S_ISGID)) != 0)
    return "has a set-id bit and is not in the signed image";
  const bool sticky = directory && (facts.st_mode & S_ISVTX) != 0;
  if ((facts.st_mode & S_IWOTH) != 0 && !sticky)
    return "may be written by all and is not in the signed image";
  return "";
}

}  // namespace casemate::image
