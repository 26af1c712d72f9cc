// A temporary directory with a root that a test prepares, and a place outside that must stay as it
// is.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "shim/base/unique_fd.h"

namespace casemate::fs {

class Scratch {
 public:
  Scratch() {
    std::string pattern = ::testing::TempDir() + "casemate-XXXXXX";
    path_ = ::mkdtemp(pattern.data());
    std::filesystem::create_directories(path_ + "/root");
    std::filesystem::create_directories(path_ + "/outside");
    write("outside/canary", "canary");
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch() { std::filesystem::remove_all(path_); }

  const std::string& path() const { return path_; }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  UniqueFd open_root() const {
    return UniqueFd(::open((path_ + "/root").c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  }
  void directory(const std::string& name) const {
    std::filesystem::create_directories(path_ + "/" + name);
  }
  void link(const std::string& target, const std::string& name) const {
    std::filesystem::create_symlink(target, path_ + "/" + name);
  }
  void write(const std::string& name, const std::string& text) const {
    std::ofstream(path_ + "/" + name) << text;
  }
  std::string read(const std::string& name) const {
    std::ifstream file(path_ + "/" + name);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  bool exists(const std::string& name) const {
    return std::filesystem::exists(std::filesystem::symlink_status(path_ + "/" + name));
  }
  // Nothing was made outside, and the canary is what it was.
  bool outside_is_untouched() const {
    const std::filesystem::directory_iterator entries(path_ + "/outside");
    return std::distance(begin(entries), end(entries)) == 1 && read("outside/canary") == "canary";
  }

 private:
  std::string path_;
};

struct Identity {
  dev_t device = 0;
  ino_t inode = 0;
  bool operator==(const Identity&) const = default;
};
inline Identity identity(int fd) {
  struct stat facts = {};
  EXPECT_EQ(::fstat(fd, &facts), 0);
  return {facts.st_dev, facts.st_ino};
}
inline Identity identity(const std::string& path) {
  struct stat facts = {};
  EXPECT_EQ(::stat(path.c_str(), &facts), 0) << path;
  return {facts.st_dev, facts.st_ino};
}

}  // namespace casemate::fs
