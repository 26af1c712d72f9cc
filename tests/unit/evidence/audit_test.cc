#include "shim/evidence/audit.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>

#include "shim/evidence/record.h"
#include "shim/sys/real_kernel.h"

namespace casemate::evidence {
namespace {

class AuditTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = "/tmp/casemate-audit-XXXXXX";
    folder_ = ::mkdtemp(name.data());
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string path() const { return folder_ + "/audit/audit.jsonl"; }
  std::string text() const {
    std::ifstream file(path(), std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  void write(const std::string& text) const {
    std::ofstream(path(), std::ios::binary | std::ios::trunc) << text;
  }
  void fill(int records) {
    auto log = AuditLog::open(kernel_, path());
    ASSERT_TRUE(log) << log.error().message();
    for (int i = 0; i < records; ++i)
      ASSERT_TRUE(log->append("create.allow", "c" + std::to_string(i), {{"n", i}}));
  }
  std::vector<std::string> lines() const {
    std::vector<std::string> out;
    std::string rest = text();
    for (auto end = rest.find('\n'); end != std::string::npos; end = rest.find('\n')) {
      out.push_back(rest.substr(0, end + 1));
      rest.erase(0, end + 1);
    }
    return out;
  }
  std::string joined(const std::vector<std::string>& all) const {
    std::string out;
    for (const auto& line : all) out += line;
    return out;
  }
  void expect_problem(const std::string& rule, std::uint64_t line) {
    const auto verdict = verify_audit(kernel_, path());
    ASSERT_TRUE(verdict) << verdict.error().message();
    EXPECT_EQ(verdict->rule, rule) << verdict->problem;
    EXPECT_EQ(verdict->line, line);
  }

  sys::RealKernel kernel_;
  std::string folder_;
};

TEST_F(AuditTest, RecordsAreChainedAndVerify) {
  fill(20);
  const auto verdict = verify_audit(kernel_, path());
  ASSERT_TRUE(verdict);
  EXPECT_TRUE(verdict->intact()) << verdict->problem;
  EXPECT_EQ(verdict->records, 20u);
  EXPECT_EQ(verdict->head.seq, 20u);
  const auto first = parse_json(lines()[0]);
  ASSERT_TRUE(first);
  EXPECT_EQ(first->at("prev"), std::string(64, '0'));
  EXPECT_EQ(first->at("event"), "create.allow");
  EXPECT_EQ(first->at("boot_id").get<std::string>().size(), 36u);
  struct stat status{};
  ASSERT_EQ(::stat(path().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
}

TEST_F(AuditTest, NamesFromOutsideCannotForgeLinesOrDriveTerminals) {
  auto log = AuditLog::open(kernel_, path());
  ASSERT_TRUE(log->append("create.deny", "a\n{\"seq\":9}", {{"x", "\x1b[2J\x7f\xc2\x9b\xff"}}));
  EXPECT_EQ(lines().size(), 1u);
  for (const char c : lines()[0].substr(0, lines()[0].size() - 1))
    EXPECT_TRUE(c >= 0x20 && c < 0x7f);
  EXPECT_TRUE(verify_audit(kernel_, path())->intact());
}

TEST_F(AuditTest, EveryEditedByteShows) {
  fill(3);
  const std::string whole = text();
  for (std::size_t at = 0; at < whole.size(); ++at) {
    std::string edited = whole;
    edited[at] = edited[at] == '1' ? '2' : '1';
    write(edited);
    const auto verdict = verify_audit(kernel_, path());
    ASSERT_TRUE(verdict);
    EXPECT_FALSE(verdict->intact()) << "byte " << at;
  }
}

TEST_F(AuditTest, ARewrittenRecordBreaksTheChainAfterIt) {
  fill(3);
  auto all = lines();
  auto forged = *parse_json(all[1]);
  forged.erase("hash");
  forged["container"] = "innocent";
  std::string hash;
  all[1] = render_record(forged, hash) + "\n";
  write(joined(all));
  expect_problem("audit.chain", 3);
}

TEST_F(AuditTest, DeletedReorderedAndCutRecordsShow) {
  fill(5);
  const auto all = lines();
  write(all[0] + all[1] + all[3] + all[4]);
  expect_problem("audit.sequence", 3);
  write(all[0] + all[2] + all[1] + all[3] + all[4]);
  expect_problem("audit.sequence", 2);
  write(all[1] + all[2] + all[3] + all[4]);
  expect_problem("audit.sequence", 1);
  write(all[0] + all[1] + all[1] + all[2] + all[3] + all[4]);
  expect_problem("audit.sequence", 3);
  write(all[0] + all[1] + all[2]);  // at a line's end: the head file knows
  expect_problem("audit.truncated", 4);
  write("");
  expect_problem("audit.truncated", 1);
  const std::string whole = text() + joined(all);
  write(whole.substr(0, whole.size() - 7));
  expect_problem("audit.torn", 5);
  write(joined(all) + "\n");
  expect_problem("audit.syntax", 6);
}

TEST_F(AuditTest, ATailForgedAfterTheHeadIsContradictedByIt) {
  fill(2);
  auto all = lines();
  auto forged = *parse_json(all[1]);
  forged.erase("hash");
  forged["event"] = "create.deny";
  std::string hash;
  all[1] = render_record(forged, hash) + "\n";
  write(joined(all));
  EXPECT_EQ(verify_audit(kernel_, path())->rule, "audit.chain");
}

TEST_F(AuditTest, ATornLineIsCutOffAndToldAbout) {
  fill(2);
  write(text() + R"({"boot_id":"half)");
  expect_problem("audit.torn", 3);
  auto log = AuditLog::open(kernel_, path());
  ASSERT_TRUE(log->append("start", "c", Json::object()));
  const auto verdict = verify_audit(kernel_, path());
  EXPECT_TRUE(verdict->intact()) << verdict->problem;
  EXPECT_EQ(verdict->records, 4u);
  EXPECT_EQ(parse_json(lines()[2])->at("event"), "audit.repaired");
}

TEST_F(AuditTest, ACutLogDoesNotHealUnseen) {
  fill(5);
  const auto all = lines();
  const auto cut_head = parse_json(all[2])->at("hash");
  write(all[0] + all[1] + all[2]);
  fill(2);  // other containers go on
  expect_problem("audit.truncated", 4);
  const Json told = *parse_json(lines()[3]);
  EXPECT_EQ(told.at("event"), "audit.truncated");
  EXPECT_EQ(told.at("facts").at("log"), Json({{"seq", 3}, {"hash", cut_head}}));
  EXPECT_EQ(told.at("facts").at("head"),
            Json({{"seq", 5}, {"hash", parse_json(all[4])->at("hash")}}));
  EXPECT_EQ(lines().size(), 6U) << "told once";
  auto edited = lines();
  edited[5][edited[5].find("create")] = 'C';
  write(joined(edited));
  EXPECT_NE(verify_audit(kernel_, path())->rule, "audit.truncated") << "what comes later is seen";
}

TEST_F(AuditTest, ADeletedOrReplacedLogShowsToo) {
  fill(2);
  std::filesystem::remove(path());
  fill(1);
  expect_problem("audit.truncated", 1);
  // Its last record replaced by another of the same number.
  std::filesystem::remove_all(folder_ + "/audit");
  fill(2);
  auto forged = *parse_json(lines()[1]);
  forged.erase("hash");
  forged["event"] = "create.deny";
  std::string hash;
  write(lines()[0] + render_record(forged, hash) + "\n");
  fill(1);
  EXPECT_FALSE(verify_audit(kernel_, path())->intact());
  EXPECT_EQ(parse_json(lines()[2])->at("event"), "audit.truncated");
}

TEST_F(AuditTest, AWriterKilledBeforeTheHeadIsNoTruncation) {
  fill(2);
  const std::string mark = path() + ".head";
  std::filesystem::copy_file(mark, mark + ".old");
  fill(1);
  std::filesystem::rename(mark + ".old", mark);
  fill(1);
  const auto verdict = verify_audit(kernel_, path());
  EXPECT_TRUE(verdict->intact()) << verdict->problem;
  EXPECT_EQ(verdict->records, 4U);
}

TEST_F(AuditTest, NothingIsWrittenAfterABrokenRecord) {
  fill(2);
  auto all = lines();
  all[1][all[1].find("create")] = 'C';
  write(joined(all));
  const auto appended = AuditLog::open(kernel_, path())->append("start", "c", Json::object());
  ASSERT_FALSE(appended);
  EXPECT_EQ(appended.error().rule, "audit.broken");
  EXPECT_EQ(text(), joined(all));
}

TEST_F(AuditTest, AnOverlongRecordIsRefused) {
  auto log = AuditLog::open(kernel_, path());
  EXPECT_EQ(log->append("start", "c", {{"x", std::string(40'000, 'x')}}).error().rule,
            "audit.size");
  EXPECT_EQ(text(), "");
  ASSERT_TRUE(log->append("start", "c", {{"x", std::string(30'000, 'x')}}));
  ASSERT_TRUE(log->append("start", "c", {{"x", std::string(30'000, 'y')}}));
  EXPECT_TRUE(verify_audit(kernel_, path())->intact());
}

// The last record is looked for in the log's last page first.
TEST_F(AuditTest, RecordsAsLongAsAPageAreFound) {
  auto log = AuditLog::open(kernel_, path());
  for (std::size_t size = 3'600; size < 4'200; size += 7)
    ASSERT_TRUE(log->append("start", "c", {{"x", std::string(size, 'x')}})) << size;
  std::ofstream(path(), std::ios::app) << std::string(5'000, 't');  // torn
  ASSERT_TRUE(log->append("start", "c", {}));
  EXPECT_TRUE(verify_audit(kernel_, path())->intact());
  EXPECT_NE(text().find("audit.repaired"), std::string::npos);
}

TEST_F(AuditTest, WritersInSeveralProcessesShareOneChain) {
  constexpr int kWriters = 4;
  constexpr int kEach = 25;
  for (int writer = 0; writer < kWriters; ++writer) {
    if (::fork() != 0) continue;
    auto log = AuditLog::open(kernel_, path());
    for (int i = 0; i < kEach; ++i)
      if (!log || !log->append("start", std::to_string(writer), Json::object())) ::_exit(1);
    ::_exit(0);
  }
  for (int writer = 0; writer < kWriters; ++writer) {
    int status = 1;
    ::wait(&status);
    EXPECT_EQ(status, 0);
  }
  const auto verdict = verify_audit(kernel_, path());
  EXPECT_TRUE(verdict->intact()) << verdict->problem;
  EXPECT_EQ(verdict->records, static_cast<std::uint64_t>(kWriters * kEach));
}

TEST_F(AuditTest, PathsWithoutAFolderAreRefused) {
  for (const char* bad : {"", "audit.jsonl", "/audit.jsonl", "/tmp/x/"})
    EXPECT_EQ(AuditLog::open(kernel_, bad).error().rule, "audit.path") << bad;
  EXPECT_EQ(verify_audit(kernel_, path()).error().sys_errno, ENOENT);
}

TEST(AuditRecord, MutationsNeverCrash) {
  std::string hash;
  const std::string good =
      render_record({{"seq", 1}, {"prev", "x"}, {"facts", {{"a", "b"}}}}, hash);
  ASSERT_TRUE(parse_record(good));
  std::mt19937 random(3);
  for (int round = 0; round < 5000; ++round) {
    std::string text = good;
    const std::size_t at = random() % text.size();
    const char replacement = static_cast<char>(random());
    if (text[at] == replacement) continue;
    text[at] = replacement;
    EXPECT_FALSE(parse_record(text)) << text;
  }
  EXPECT_FALSE(parse_head("x"));
  EXPECT_TRUE(parse_head(render_head({.seq = UINT64_MAX})));
}

}  // namespace
}  // namespace casemate::evidence
