// A command of the runtime, tried once for each of its kernel calls with a fault in that call.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "shim/run/runtime.h"
#include "tests/fault/faults.h"

namespace casemate {

void write_file(const std::filesystem::path& path, const std::string& text);
std::string file_of(const std::filesystem::path& path);

class Faults : public ::testing::Test {
 protected:
  // A bundle whose one program is busybox, and a host configuration with places of its own.
  void make_home(const char* config_json, const char* program);
  void TearDown() override;

  Result<run::Runtime> runtime(sys::Kernel& kernel) const;

  virtual Status command(sys::Kernel& kernel) const = 0;
  // What stands after a command that succeeded, with the real kernel: "" when it is as planned.
  virtual std::string second_look() const = 0;
  // Ends what a command that succeeded made.
  virtual void end_made() const = 0;
  // "" when nothing is left of it; waits a moment for those who are on their way out.
  virtual std::string residue() const = 0;

  // A command that fails leaves nothing; one that succeeds all the same holds under second_look().
  // At least `fewest` calls are tried of each process.
  void for_each_call(sys::InterceptingKernel::Verdict verdict, std::size_t fewest) const;

  std::filesystem::path home_;

 private:
  bool attempt(FaultyKernelOfTwo::Fault fault) const;
  void for_each_call_of(Who who, sys::InterceptingKernel::Verdict verdict,
                        std::size_t fewest) const;
  void try_without_fault() const;

  Calls* calls_ = nullptr;
};

}  // namespace casemate
