#include "hooks/image/compare.h"

#include <sys/mount.h>
#include <sys/xattr.h>

#include "hooks/image/layers.h"
#include "tests/unit/hooks/image/image_fixture.h"

namespace casemate::image {
namespace {

// An image unpacked by GNU tar, then changed in one way.
class CompareTest : public testing::Test {
 protected:
  CompareTest() {
    write_text(dir_.path("layer.tar"), tar_.build());
    std::filesystem::create_directory(rootfs_);
    unpacked_ = run("tar -C " + rootfs_ + " --xattrs --xattrs-include='*' -xpf " +
                    dir_.path("layer.tar")) == 0;
    Layout layout(dir_.path("layout"));
    const Json blob = layout.blob("application/vnd.oci.image.layer.v1.tar", tar_.build());
    LayerBudget budget({});
    auto changes = read_layer(layout.fd(), *parse_descriptor(*JsonObject::of(blob)),
                              decompressed_digest(tar_), budget);
    EXPECT_TRUE(changes && tree_.apply(std::move(*changes)));
  }
  void SetUp() override { ASSERT_TRUE(unpacked_); }
  std::string at(const std::string& path) const { return rootfs_ + path; }
  Result<Compared> compare(const Extras& extras = {}) const {
    const UniqueFd fd(::open(rootfs_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    return compare_rootfs(fd.get(), tree_, extras, 2);
  }
  // "/path: difference", and that it is a refusal by this rule.
  std::string difference(const Extras& extras = {}) const {
    const auto compared = compare(extras);
    if (compared) return "";
    EXPECT_EQ(compared.error().rule, "image.content");
    EXPECT_EQ(compared.error().cls, ErrorClass::denied);
    return compared.error().what;
  }

  const TarBuilder tar_ =
      TarBuilder()
          .dir("bin")
          .file("bin/app", std::string(600000, 'a'), 0755)
          .file("bin/su", "root", 04755)
          .symlink("bin/sh", "app")
          .hardlink("bin/app2", "bin/app")
          .dir("etc")
          .file("etc/passwd", "root:x:0:0")
          .dir("tmp", 01777)
          .add({.path = "etc/zero", .mode = 0666, .type = AE_IFCHR, .device = makedev(1, 5)})
          .file("implied/dir/file", "x");
  TempDir dir_;
  const std::string rootfs_ = dir_.path("rootfs");
  bool unpacked_ = false;
  Tree tree_;
};

TEST_F(CompareTest, AnUnchangedRootfsPasses) {
  const auto compared = compare();
  ASSERT_TRUE(compared) << compared.error().message();
  EXPECT_EQ(compared->files, 12U);
  EXPECT_EQ(compared->bytes, 1200000U + 4 + 10 + 1);
}

TEST_F(CompareTest, ChangedContent) {
  const std::string good = read_text(at("/bin/app"));
  for (const std::size_t place : {std::size_t{0}, good.size() / 2, good.size() - 1}) {
    write_text(at("/bin/app"), flip(good, place), 0755);
    EXPECT_EQ(difference(), "/bin/app: content differs from the signed image");
  }
  write_text(at("/bin/app"), good + "x", 0755);
  EXPECT_EQ(difference(), "/bin/app: size differs from the signed image");
}

TEST_F(CompareTest, ChangedMetadata) {
  ::chmod(at("/bin/app").c_str(), 04755);
  EXPECT_EQ(difference(), "/bin/app: mode is 4755, in the signed image 0755");
  ::chmod(at("/bin/app").c_str(), 0755);
  ::chmod(at("/bin/su").c_str(), 0755);
  EXPECT_EQ(difference(), "/bin/su: mode is 0755, in the signed image 4755");
  ::chmod(at("/bin/su").c_str(), 04755);
  EXPECT_EQ(difference(), "");
  ASSERT_EQ(::chown(at("/etc/passwd").c_str(), 1000, 0), 0);
  EXPECT_EQ(difference(), "/etc/passwd: owner is 1000:0, in the signed image 0:0");
}

TEST_F(CompareTest, FileCapabilities) {
  const std::string capability(
      "\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00"
      "\x00\x00\x00\x00\x00\x00\x00\x00",
      20);
  ASSERT_EQ(::setxattr(at("/bin/app").c_str(), "security.capability", capability.data(),
                       capability.size(), 0),
            0);
  EXPECT_EQ(difference(), "/bin/app: file capabilities differ from the signed image");
}

TEST_F(CompareTest, MissingAndAdded) {
  std::filesystem::remove(at("/etc/passwd"));
  EXPECT_EQ(difference(), "/etc/passwd: is missing");
  write_text(at("/etc/passwd"), "root:x:0:0");
  write_text(at("/bin/evil"), "");
  EXPECT_EQ(difference(), "/bin/evil: is not in the signed image");
}

TEST_F(CompareTest, ReplacedKinds) {
  std::filesystem::remove(at("/bin/sh"));
  std::filesystem::create_symlink("su", at("/bin/sh"));
  EXPECT_EQ(difference(), "/bin/sh: link target differs from the signed image");
  std::filesystem::remove(at("/bin/sh"));
  std::filesystem::create_directory(at("/bin/sh"));
  EXPECT_EQ(difference(), "/bin/sh: is not the symbolic link of the signed image");
  std::filesystem::remove(at("/bin/sh"));
  std::filesystem::create_symlink("app", at("/bin/sh"));
  ASSERT_EQ(difference(), "");
  std::filesystem::rename(at("/bin"), dir_.path("bin"));
  std::filesystem::create_directory_symlink(dir_.path("bin"), at("/bin"));
  EXPECT_EQ(difference(), "/bin: is not the directory of the signed image");
}

TEST_F(CompareTest, DevicesAndPipes) {
  std::filesystem::remove(at("/etc/zero"));
  ASSERT_EQ(::mknod(at("/etc/zero").c_str(), S_IFCHR | 0666, makedev(1, 1)), 0);
  ::chmod(at("/etc/zero").c_str(), 0666);
  EXPECT_EQ(difference(), "/etc/zero: device number differs from the signed image");
  std::filesystem::remove(at("/bin/app"));
  ASSERT_EQ(::mkfifo(at("/bin/app").c_str(), 0755), 0);  // must not block
  EXPECT_EQ(difference(), "/bin/app: is not the regular file of the signed image");
}

TEST_F(CompareTest, ImpliedParentsAndTheRootMayNotBeWritable) {
  ::chmod(at("/implied/dir").c_str(), 0700);
  EXPECT_EQ(difference(), "");
  ::chmod(at("/implied/dir").c_str(), 0777);
  EXPECT_EQ(difference(), "/implied/dir: may be written by others than root");
  ::chmod(at("/implied/dir").c_str(), 0755);
  ::chmod(rootfs_.c_str(), 0777);
  EXPECT_EQ(difference(), "/: may be written by others than root");
}

TEST_F(CompareTest, MountsInsideAreSeen) {
  ASSERT_EQ(::mount("tmpfs", at("/etc").c_str(), "tmpfs", 0, "size=4k"), 0);
  const std::string seen = difference();
  ASSERT_EQ(::umount(at("/etc").c_str()), 0);
  EXPECT_EQ(seen.substr(0, 5), "/etc:");
}

TEST_F(CompareTest, HarmlessExtras) {
  const Extras extras{.engine_files = {"/.dockerenv", "/etc/hosts", "/etc/mtab", "/dev/*", "/proc"},
                      .mount_points = {"/data/set"}};
  write_text(at("/.dockerenv"), "", 0755);
  write_text(at("/etc/hosts"), "127.0.0.1 localhost");
  std::filesystem::create_symlink("/proc/mounts", at("/etc/mtab"));
  std::filesystem::create_directories(at("/dev/pts"));
  write_text(at("/dev/console"), "");
  std::filesystem::create_directories(at("/proc"));
  std::filesystem::create_directories(at("/data/set"));
  EXPECT_EQ(difference(extras), "");
  EXPECT_EQ(difference(), "/.dockerenv: is not in the signed image");
  write_text(at("/data/other"), "");
  EXPECT_EQ(difference(extras), "/data/other: is not in the signed image");
}

TEST_F(CompareTest, HarmfulExtras) {
  const Extras extras{
      .engine_files = {"/.dockerenv", "/dev/*", "/etc/passwd", "/etc/mtab", "/etc/hosts", "/x"},
      .mount_points = {}};
  const auto harm = [&](const std::string& path) {
    const std::string said = difference(extras);
    std::filesystem::remove_all(at(path));
    EXPECT_EQ(difference(extras), "") << path;
    return said;
  };
  write_text(at("/.dockerenv"), "code");
  EXPECT_EQ(harm("/.dockerenv"),
            "/.dockerenv: is a file with content that the signed image does not have");
  std::filesystem::create_directory(at("/dev"));
  ASSERT_EQ(::mknod(at("/dev/sda").c_str(), S_IFBLK | 0600, makedev(8, 0)), 0);
  EXPECT_EQ(harm("/dev/sda"), "/dev/sda: is a special file that the signed image does not have");
  std::filesystem::create_symlink("/host", at("/dev/shm"));
  EXPECT_EQ(harm("/dev/shm"), "/dev/shm: is a symbolic link that the signed image does not have");
  std::filesystem::create_symlink("/tmp/mounts", at("/etc/mtab"));
  EXPECT_EQ(harm("/etc/mtab"), "/etc/mtab: is a symbolic link that the signed image does not have");
  // A bind onto it would cover what it leads to.
  std::filesystem::create_symlink("/bin/app", at("/etc/hosts"));
  EXPECT_EQ(harm("/etc/hosts"),
            "/etc/hosts: is a symbolic link that the signed image does not have");
  write_text(at("/x"), "", 04755);
  EXPECT_EQ(harm("/x"), "/x: has a set-id bit and is not in the signed image");
  std::filesystem::create_directory(at("/x"));
  ::chmod(at("/x").c_str(), 0777);
  EXPECT_EQ(harm("/x"), "/x: may be written by all and is not in the signed image");
  // A pattern lets nothing of the image itself change.
  write_text(at("/etc/passwd"), "root::0:0:");
  EXPECT_EQ(difference(extras), "/etc/passwd: content differs from the signed image");
}

TEST(Extras, PatternsMeanWhatTheySay) {
  const auto is = [](const std::string& pattern, const std::string& path) {
    return may_be_extra({.engine_files = {pattern}, .mount_points = {}}, path);
  };
  EXPECT_TRUE(is("/a/b", "/a"));
  EXPECT_TRUE(is("/a/b", "/a/b"));
  EXPECT_FALSE(is("/a/b", "/a/b/c"));
  EXPECT_FALSE(is("/a/b", "/a/bc"));
  EXPECT_FALSE(is("/a/b", "/ab"));
  EXPECT_TRUE(is("/dev/*", "/dev/x/y"));
  EXPECT_TRUE(is("/dev/**", "/dev"));
  EXPECT_FALSE(is("/dev/*", "/devices"));
  for (const char* all : {"/*", "/**", "*", "", "/"}) EXPECT_FALSE(is(all, "/bin")) << all;
}

}  // namespace
}  // namespace casemate::image
