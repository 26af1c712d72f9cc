#include "shim/ctl/dataset_commands.h"

#include <sstream>

#include "tests/unit/hooks/dataset/support.h"

namespace casemate::ctl {
namespace {

using dataset::testing::read_text;
using dataset::testing::SigningPair;
using dataset::testing::TempDir;
using dataset::testing::write_text;

class DatasetCommands : public ::testing::Test {
 protected:
  DatasetCommands() {
    write_text(dir_ / "data/one", "one");
    write_text(dir_ / "tenant.key", tenant_.private_pem);
    write_text(dir_ / "tenant.pub", tenant_.public_pem);
  }
  std::string path(const std::string& name) const { return (dir_ / name).string(); }
  // The rule of the refusal, or "ok".
  std::string run(std::vector<std::string> args) {
    out_.str("");
    const auto done = dataset_command(args, out_);
    return done ? "ok" : done.error().rule;
  }
  std::vector<std::string> seal() const {
    return {"seal",
            path("data"),
            "-o",
            path("d.sealed"),
            "--id",
            "digits",
            "--tenant",
            "acme",
            "--signing-key",
            path("tenant.key"),
            "--recipient",
            path("host.pub.jwk"),
            "--allow-profile",
            "restricted"};
  }
  TempDir dir_;
  SigningPair tenant_;
  std::ostringstream out_;
};

TEST_F(DatasetCommands, KeygenSealInspectVerify) {
  ASSERT_EQ(run({"keygen", "-o", path("host"), "--kid", "file:host-2026"}), "ok");
  struct stat facts{};
  ASSERT_EQ(::stat(path("host.jwk").c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 07777, 0600U);
  EXPECT_EQ(read_text(path("host.pub.jwk")).find("\"d\""), std::string::npos);
  ASSERT_EQ(run(seal()), "ok");
  ASSERT_EQ(run({"inspect", path("d.sealed")}), "ok");
  EXPECT_NE(out_.str().find("file:host-2026"), std::string::npos);
  EXPECT_EQ(out_.str().find("digits"), std::string::npos);
  ASSERT_EQ(run({"verify", path("d.sealed"), "--key", path("host.jwk"), "--tenant-key",
                 path("tenant.pub")}),
            "ok");
  EXPECT_NE(out_.str().find("digits, serial 1, of tenant acme"), std::string::npos);
  EXPECT_NE(out_.str().find("1 files, 3 bytes, all authentic"), std::string::npos);
}

TEST_F(DatasetCommands, NothingIsOverwrittenOrLeftBehind) {
  ASSERT_EQ(run({"keygen", "-o", path("host")}), "ok");
  const std::string before = read_text(path("host.jwk"));
  EXPECT_EQ(run({"keygen", "-o", path("host")}), "dataset.exists");
  EXPECT_EQ(read_text(path("host.jwk")), before);
  ASSERT_EQ(run(seal()), "ok");
  const std::string sealed = read_text(path("d.sealed"));
  std::filesystem::create_symlink("x", path("data/link"));
  EXPECT_EQ(run(seal()), "dataset.file-type");
  EXPECT_TRUE(read_text(path("d.sealed")) == sealed);  // the old file stays whole
  for (const auto& entry : std::filesystem::directory_iterator(dir_.path()))
    EXPECT_EQ(entry.path().string().find("sealed."), std::string::npos) << entry.path();
}

TEST_F(DatasetCommands, Refusals) {
  ASSERT_EQ(run({"keygen", "-o", path("host")}), "ok");
  EXPECT_EQ(run({}), "usage.dataset");
  EXPECT_EQ(run({"open"}), "usage.dataset");
  EXPECT_EQ(run({"inspect"}), "usage.dataset");
  EXPECT_EQ(run({"inspect", path("tenant.pub")}), "dataset.format");
  auto args = seal();
  args.insert(args.end(), {"--criticality", "huge"});
  EXPECT_EQ(run(args), "dataset.criticality");
  args = seal();
  args.insert(args.end(), {"--serial", "12x"});
  EXPECT_EQ(run(args), "usage.dataset");
  args = seal();
  args.insert(args.end(), {"--id", "again"});
  EXPECT_EQ(run(args), "usage.dataset");
  args = seal();
  args.resize(args.size() - 4);
  EXPECT_EQ(run(args), "usage.dataset");  // no recipient
  args = seal();
  args[9] = path("tenant.pub");
  EXPECT_EQ(run(args), "dataset.key-format");
  ASSERT_EQ(run(seal()), "ok");
  ASSERT_EQ(::chmod(path("host.jwk").c_str(), 0644), 0);
  EXPECT_EQ(run({"verify", path("d.sealed"), "--key", path("host.jwk"), "--tenant-key",
                 path("tenant.pub")}),
            "dataset.key-file");
}

}  // namespace
}  // namespace casemate::ctl
