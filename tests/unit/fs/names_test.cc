#include "shim/fs/names.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "shim/sys/real_kernel.h"
#include "tests/unit/fs/scratch.h"

namespace casemate::fs {
namespace {

TEST(NamesIn, AllButTheTwoAndNoMoreThanAskedFor) {
  const Scratch scratch;
  sys::RealKernel kernel;
  scratch.directory("list");
  for (const char* name : {"one", "two", "...", ".hidden"})
    scratch.write(std::string("list/") + name, "");
  // O_PATH, and asked twice: the position of this descriptor must not move.
  const UniqueFd folder(::open((scratch / "list").c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  for (int i = 0; i < 2; ++i) {
    auto names = names_in(kernel, folder.get(), 100);
    ASSERT_TRUE(names) << names.error().message();
    std::ranges::sort(*names);
    EXPECT_EQ(*names, (std::vector<std::string>{"...", ".hidden", "one", "two"}));
  }
  EXPECT_EQ(names_in(kernel, folder.get(), 3)->size(), 3u);
  EXPECT_TRUE(names_in(kernel, folder.get(), 0)->empty());
}

TEST(NamesIn, WhatIsNoFolder) {
  const Scratch scratch;
  sys::RealKernel kernel;
  scratch.write("file", "");
  const UniqueFd file(::open((scratch / "file").c_str(), O_RDONLY | O_CLOEXEC));
  EXPECT_EQ(names_in(kernel, file.get(), 1).error().sys_errno, ENOTDIR);
}

}  // namespace
}  // namespace casemate::fs
