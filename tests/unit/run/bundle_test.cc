#include "shim/run/bundle.h"

#include <gtest/gtest.h>

#include <set>

#include "shim/sys/real_kernel.h"
#include "tests/unit/base/outcome.h"
#include "tests/unit/fs/scratch.h"

namespace casemate::run {
namespace {

class Bundle : public testing::Test {
 protected:
  Json config() const {
    return {{"ociVersion", "1.0.2"},
            {"root", {{"path", "rootfs"}}},
            {"process", {{"args", {"sh"}}, {"cwd", "/"}, {"user", {{"uid", 0}, {"gid", 0}}}}},
            {"mounts", Json::array()},
            {"linux", {{"namespaces", {{{"type", "mount"}}}}}}};
  }
  Result<oci::Spec> load(const Json& json) {
    scratch.write("root/config.json", json.dump());
    return load_spec(kernel, scratch / "root");
  }
  oci::Spec loaded(const Json& json) {
    auto spec = load(json);
    EXPECT_TRUE(spec) << spec.error().message();
    return spec.value_or(oci::Spec{});
  }

  fs::Scratch scratch;
  sys::RealKernel kernel;
};

TEST_F(Bundle, RelativePathsStartThere) {
  Json json = config();
  json["mounts"] = {
      {{"destination", "/a"}, {"type", "bind"}, {"source", "data"}},
      {{"destination", "/b"}, {"source", "data"}, {"options", {"rbind"}}},
      {{"destination", "/c"}, {"type", "none"}, {"source", "data"}, {"options", {"bind"}}},
      {{"destination", "/d"}, {"type", "bind"}, {"source", "/srv"}},
      {{"destination", "/e"}, {"type", "tmpfs"}, {"source", "tmpfs"}}};
  const oci::Spec spec = loaded(json);
  EXPECT_EQ(spec.root.path, scratch / "root/rootfs");
  ASSERT_EQ(spec.mounts.size(), 5u);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(spec.mounts[i].source, scratch / "root/data") << i;
  EXPECT_EQ(spec.mounts[3].source, "/srv");
  EXPECT_EQ(spec.mounts[4].source, "tmpfs");
  EXPECT_EQ(mount_points_of(spec), (std::vector<std::string>{"/a", "/b", "/c", "/d", "/e"}));
}

TEST_F(Bundle, AnAbsoluteRootStays) {
  Json json = config();
  json["root"]["path"] = "/srv/rootfs";
  EXPECT_EQ(loaded(json).root.path, "/srv/rootfs");
}

TEST_F(Bundle, BadBundles) {
  EXPECT_EQ(rule_of(load_spec(kernel, scratch / "root")), "bundle.config");
  scratch.write("root/config.json", "{");
  const auto broken = load_spec(kernel, scratch / "root");
  ASSERT_FALSE(broken);
  EXPECT_EQ(broken.error().cls, ErrorClass::bad_input);
  scratch.write("root/config.json", std::string((4 << 20) + 1, ' '));
  EXPECT_FALSE(load_spec(kernel, scratch / "root"));
  std::filesystem::remove(scratch / "root/config.json");
  ASSERT_EQ(::mkfifo((scratch / "root/config.json").c_str(), 0600), 0);
  EXPECT_FALSE(load_spec(kernel, scratch / "root"));
}

// Whatever of the host is used later has been opened before it is judged: none may be missing here.
TEST_F(Bundle, EveryHostPathIsOpened) {
  std::set<std::string> wanted = {scratch / "root/rootfs", scratch / "root/data"};
  scratch.directory("root/rootfs");
  scratch.directory("root/data");
  Json json = config();
  json["mounts"] = {{{"destination", "/a"}, {"type", "bind"}, {"source", "data"}},
                    {{"destination", "/e"}, {"type", "tmpfs"}, {"source", "tmpfs"}}};
  json["hooks"]["startContainer"] = {{{"path", "/a/path/of/the/container"}}};
  for (const char* phase :
       {"prestart", "createRuntime", "createContainer", "poststart", "poststop"}) {
    const std::string hook = scratch / ("root/" + std::string(phase));
    scratch.write("root/" + std::string(phase), "");
    json["hooks"][phase] = {{{"path", hook}}};
    wanted.insert(hook);
  }
  const oci::Spec spec = loaded(json);
  apply::HostPaths paths(kernel);
  ASSERT_TRUE(open_host_paths(spec, paths));
  std::set<std::string> opened;
  for (const auto& [asked, leads_to] : paths.resolved()) opened.insert(asked);
  EXPECT_EQ(opened, wanted);
}

TEST_F(Bundle, AbsentHostPathsAreFoundLater) {
  const oci::Spec spec = loaded(config());
  apply::HostPaths paths(kernel);
  EXPECT_TRUE(open_host_paths(spec, paths));
  EXPECT_EQ(rule_of(paths.fd(spec.root.path)), "host.path");
}

}  // namespace
}  // namespace casemate::run
