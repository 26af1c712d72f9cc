// Runs a piece of a test in a process of its own, in new namespaces when it needs some.
#pragma once

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <string>

#include "shim/sys/real_kernel.h"

namespace casemate::sys {

// "" when `body` returned "" in the child; else what it returned, or how the child ended.
inline std::string in_child(std::uint64_t clone_flags, const std::function<std::string()>& body) {
  RealKernel kernel;
  int ends[2];
  if (::pipe(ends) != 0) return "pipe";
  UniqueFd reader(ends[0]);
  UniqueFd writer(ends[1]);
  auto child = kernel.clone3({.flags = clone_flags});
  if (!child) return child.error().message();
  if (child->pid == 0) {
    const std::string text = body();
    const bool told = ::write(writer.get(), text.data(), text.size()) >= 0;
    ::_exit(told ? 0 : 1);
  }
  writer.reset();
  std::string text;
  char part[4096];
  for (ssize_t got = 0; (got = ::read(reader.get(), part, sizeof part)) > 0;)
    text.append(part, static_cast<std::size_t>(got));
  int status = 0;
  if (::waitpid(child->pid, &status, 0) != child->pid) return "waitpid";
  if (status != 0) text += " (wait status " + std::to_string(status) + ")";
  return text;
}

}  // namespace casemate::sys
