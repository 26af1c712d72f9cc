#include "shim/run/job_source.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "shim/sys/real_kernel.h"
#include "tests/unit/base/outcome.h"
#include "tests/unit/fs/scratch.h"

namespace casemate::run {
namespace {

class FindJob : public testing::Test {
 protected:
  void SetUp() override { scratch.write("root/job.json", kFile); }
  void annotate(const std::string& value) {
    spec.annotations.emplace_back(std::string(kJobAnnotation), value);
  }
  void mount(const std::string& source) {
    spec.mounts.push_back({std::string(kJobMount), "bind", source, {"ro"}});
  }
  Result<std::optional<std::string>> find() { return find_job(runtime, spec); }
  std::string found() {
    const auto job = find();
    EXPECT_TRUE(job) << job.error().message();
    return job && *job ? **job : "(none)";
  }

  static constexpr const char* kFile = R"({"payload":"of the file"})";
  fs::Scratch scratch;
  sys::RealKernel kernel;
  Runtime runtime{kernel, {}, {}, Progress(false)};
  oci::Spec spec;
  std::string file = scratch / "root/job.json";
};

TEST_F(FindJob, Nowhere) {
  annotate("");
  spec.annotations[0].first = "dev.casemate.jobs";
  spec.mounts = {{"/run/casemate/job.json.d", "bind", file, {}}};
  EXPECT_EQ(found(), "(none)");
  EXPECT_EQ(spec.mounts.size(), 1u);
}

TEST_F(FindJob, InTheRuntimesArguments) {
  runtime.settings.job = file;
  EXPECT_EQ(found(), kFile);
}

TEST_F(FindJob, InTheAnnotation) {
  annotate(R"({"payload":"here"})");
  EXPECT_EQ(found(), R"({"payload":"here"})");
}

TEST_F(FindJob, WhereTheAnnotationPoints) {
  annotate(file);
  EXPECT_EQ(found(), kFile);
}

// The mount has served its purpose: the container does not get it.
TEST_F(FindJob, InAMountThatIsTakenOut) {
  spec.mounts.push_back({"/a", "tmpfs", "tmpfs", {}});
  mount(file);
  spec.mounts.push_back({"/b", "tmpfs", "tmpfs", {}});
  EXPECT_EQ(found(), kFile);
  ASSERT_EQ(spec.mounts.size(), 2u);
  EXPECT_EQ(spec.mounts[0].destination, "/a");
  EXPECT_EQ(spec.mounts[1].destination, "/b");
}

TEST_F(FindJob, InMoreThanOneWay) {
  runtime.settings.job = file;
  annotate(kFile);
  EXPECT_EQ(rule_of(find()), "job.source");
  runtime.settings.job.clear();
  mount(file);
  EXPECT_EQ(rule_of(find()), "job.source");
  spec.annotations.clear();
  mount(file);
  runtime.settings.job = file;
  EXPECT_EQ(rule_of(find()), "job.source");
}

TEST_F(FindJob, NeitherJsonNorAPath) {
  for (const char* text : {"job.json", "../job.json", "eyJhbGciOiJFUzI1NiJ9.e30.c2ln", ""}) {
    spec.annotations.clear();
    annotate(text);
    EXPECT_EQ(rule_of(find()), "job.source") << text;
  }
}

TEST_F(FindJob, FilesThatCannotBeRead) {
  runtime.settings.job = scratch / "root/absent";
  EXPECT_EQ(errno_of(find()), ENOENT);
  runtime.settings.job = scratch / "root";
  EXPECT_FALSE(find());
  ASSERT_EQ(::mkfifo((scratch / "root/fifo").c_str(), 0600), 0);
  runtime.settings.job = scratch / "root/fifo";  // must not hang
  EXPECT_FALSE(find());
}

TEST_F(FindJob, RequestsAreSmall) {
  runtime.settings.job = file;
  scratch.write("root/job.json", std::string(64 << 10, ' '));
  EXPECT_EQ(found().size(), std::size_t{64 << 10});
  scratch.write("root/job.json", std::string((64 << 10) + 1, ' '));
  EXPECT_FALSE(find());
}

}  // namespace
}  // namespace casemate::run
