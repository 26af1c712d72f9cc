#include "shim/run/audit_facts.h"

#include <gtest/gtest.h>

#include "shim/base/encoding.h"
#include "shim/run/runtime.h"
#include "shim/sys/real_kernel.h"
#include "tests/unit/fs/scratch.h"

namespace casemate::run {
namespace {

class AuditFacts : public testing::Test {
 protected:
  void SetUp() override { runtime.config.paths.data = scratch / "data"; }
  Status record(const std::string& container, const Json& facts) {
    return audit(runtime, "create.deny", container, facts);
  }
  Json recorded() { return *parse_json(scratch.read("data/audit/audit.jsonl")); }

  fs::Scratch scratch;
  sys::RealKernel real;
  Runtime runtime{real, {}, {}, Progress(false)};
};

TEST_F(AuditFacts, ARefusalOfAnySizeIsRecorded) {
  for (const std::string unit : {"x", "\n", "\"", "\xff", "\xc3\xa9"}) {
    std::string text;
    while (text.size() < 200'000) text += unit;
    const Error error{.cls = ErrorClass::denied,
                      .rule = "process.args",
                      .what = text,
                      .hint = text,
                      .pointer = "/" + text};
    const auto written = record(text, error_facts(error));
    ASSERT_TRUE(written) << written.error().message();
    const std::string what = recorded().at("facts").at("what");
    EXPECT_TRUE(what.ends_with("(" + std::to_string(text.size()) +
                               " bytes, sha256:" + sha256_hex(text) + ")"));
    EXPECT_EQ(recorded().at("facts").at("rule"), "process.args");
    std::filesystem::remove_all(scratch / "data");
  }
}

TEST_F(AuditFacts, AnOrdinaryRefusalIsQuotedWhole) {
  const std::string text(kMostText, 'x');
  EXPECT_EQ(bounded_text(text), text);
  EXPECT_NE(bounded_text(text + "x"), text + "x");
}

TEST_F(AuditFacts, ADecisionWithMoreFindingsThanARecordHoldsIsCounted) {
  policy::Decision decision;
  for (int i = 0; i < 3; ++i)
    decision.findings.push_back({.rule = "mounts.options",
                                 .pointer = "/mounts/" + std::to_string(i),
                                 .asked = "\n",
                                 .bound = "nosuid",
                                 .outcome = policy::Outcome::tighten,
                                 .hint = ""});
  EXPECT_EQ(decision_facts(decision), policy::to_json(decision));
  decision.findings.resize(2000, decision.findings[0]);
  decision.findings[7].outcome = policy::Outcome::keep;
  const Json facts = decision_facts(decision);
  EXPECT_EQ(facts.at("findings"), 2000);
  EXPECT_EQ(facts.at("outcomes").at(policy::to_string(policy::Outcome::tighten)), 1999);
  EXPECT_EQ(facts.at("outcomes").at(policy::to_string(policy::Outcome::keep)), 1);
  EXPECT_EQ(facts.at("profile"), decision.profile);
  EXPECT_TRUE(record("c", {{"decision", facts}}));
}

}  // namespace
}  // namespace casemate::run
