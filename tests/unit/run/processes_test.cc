#include "shim/run/processes.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "shim/run/freeze.h"
#include "shim/sys/real_kernel.h"
#include "tests/unit/base/outcome.h"

namespace casemate::run {
namespace {

constexpr std::string_view kTable =
    "UID        PID  PPID CMD\n"
    "root         1     0 init\n"
    "root        12     1 sleep 12 1\n"
    "root       121     1 sleep 7\n"
    "\n";

TEST(FilterTable, LinesOfThePids) {
  EXPECT_EQ(filter_table(kTable, {12}).value(),
            "UID        PID  PPID CMD\nroot        12     1 sleep 12 1\n");
  EXPECT_EQ(filter_table(kTable, {}).value(), "UID        PID  PPID CMD\n");
  EXPECT_EQ(filter_table(kTable, {1, 121}).value(),
            "UID        PID  PPID CMD\nroot         1     0 init\nroot       121     1 sleep 7\n");
}

TEST(FilterTable, WhatCannotBeRead) {
  EXPECT_EQ(rule_of(filter_table("", {1})), "ps.columns");
  EXPECT_EQ(rule_of(filter_table("CMD\nsleep\n", {1})), "ps.columns");
  EXPECT_EQ(rule_of(filter_table("UID PID\nroot\n", {1})), "ps.columns");
  EXPECT_EQ(rule_of(filter_table("UID PID\nroot one\n", {1})), "ps.columns");
}

// The names of a job's processes must not steer the terminal of whoever looks.
TEST(FilterTable, ControlCharactersAreMadeVisible) {
  EXPECT_EQ(filter_table("PID CMD\n7 \x1b[2Jx\n", {7}).value(), "PID CMD\n7 \\x1b[2Jx\n");
}

TEST(ProcessTable, OfTheHost) {
  sys::RealKernel kernel;
  const auto table = process_table(kernel, {::getpid()}, {"-o", "pid,ppid"});
  ASSERT_TRUE(table) << table.error().message();
  EXPECT_NE(table->find(std::to_string(::getpid())), std::string::npos) << *table;
  EXPECT_EQ(rule_of(process_table(kernel, {::getpid()}, {"--no-such-option"})), "ps.failed");
}

TEST(KillPending, OfAStatus) {
  const std::string head = "Name:\tx\nSigQ:\t0/1\n";
  EXPECT_TRUE(kill_pending(head + "SigPnd:\t0000000000000100\nShdPnd:\t0000000000000000\n"));
  EXPECT_TRUE(kill_pending(head + "SigPnd:\t0000000000000000\nShdPnd:\t0000000000000101\n"));
  EXPECT_FALSE(kill_pending(head + "SigPnd:\t0000000000000200\nShdPnd:\tfffffffffffffeff\n"));
  EXPECT_FALSE(kill_pending(head));
  EXPECT_FALSE(kill_pending("Name:\tSigPnd:\t0000000000000100\n"));
}

}  // namespace
}  // namespace casemate::run
