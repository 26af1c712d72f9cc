// Steps of init that make files and cover them.
#include "tests/unit/apply/init_steps.h"

namespace casemate::apply {
namespace {

// --- devices

TEST_F(InitSteps, DevicesAreMadeAsAsked) {
  run([](Container& c) {
    c.ok("plain", c.add(null_device()));
    MakeDevice owned = null_device();
    owned.device.path = "/dev/deep/er/owned";
    owned.device.uid = 12;
    owned.device.gid = 34;
    c.ok("owned", c.add(owned));
    c.ok("fifo", c.add(MakeDevice{{.path = "/dev/fifo", .type = 'p'}}));
  });
  const struct stat plain = status("dev/null");
  EXPECT_EQ(plain.st_mode, mode_t{S_IFCHR | 0640});
  EXPECT_EQ(plain.st_rdev, ::makedev(1, 3));
  EXPECT_EQ(status("dev/deep/er/owned").st_uid, 12u);
  EXPECT_EQ(status("dev/deep/er/owned").st_gid, 34u);
  EXPECT_EQ(status("dev/fifo").st_mode, mode_t{S_IFIFO | 0666});
}

TEST_F(InitSteps, ADeviceThatIsThereMustBeThatOne) {
  scratch.directory("root/dev");
  device("dev/null", 3);
  run([](Container& c) { c.ok("the same", c.add(null_device())); });
}

TEST_F(InitSteps, AnotherDeviceInItsPlace) {
  scratch.directory("root/dev");
  device("dev/null", 5);
  run([](Container& c) { c.equal("other", c.add(null_device()), "device.occupied"); });
}

TEST_F(InitSteps, AFileInADevicesPlace) {
  scratch.directory("root/dev");
  scratch.write("root/dev/null", "x");
  run([](Container& c) { c.equal("file", c.add(null_device()), "device.occupied"); });
}

TEST_F(InitSteps, ALinkInADevicesPlace) {
  scratch.directory("root/dev");
  scratch.link(scratch / "outside/canary", "root/dev/null");
  run([](Container& c) { c.equal("link", c.add(null_device()), "device.occupied"); });
}

TEST_F(InitSteps, ALinkedDevStaysInside) {
  scratch.link(scratch / "outside", "root/dev");
  run([](Container& c) { c.equal("out", c.add(null_device()), "fs.dangling"); });
  std::filesystem::remove(scratch / "root/dev");
  scratch.directory("root/inside");
  scratch.link("/../../inside", "root/dev");
  run([](Container& c) { c.ok("in", c.add(null_device())); });
  EXPECT_EQ(status("inside/null").st_rdev, ::makedev(1, 3));
}

// Where mknod(2) is not allowed the host's node is bound.
TEST_F(InitSteps, DevicesWithoutMknod) {
  run([&](Container& c) {
    const ProcStatus self = read_status(*fs::ProcFs::open(c.kernel), "self").value();
    const std::uint64_t sets = self.cap_permitted & ~(std::uint64_t{1} << CAP_MKNOD);
    c.expect("capset", c.kernel.capset({.effective = sets, .permitted = sets}).has_value());
    c.ok("bound", c.add(null_device()));
    struct stat facts = {};
    c.equal("stat", ::lstat((scratch / "root/dev/null").c_str(), &facts), 0);
    c.equal("number", facts.st_rdev, ::makedev(1, 3));
    MakeDevice wrong = null_device();
    wrong.device.path = "/dev/zero";
    c.equal("other numbers", c.add(wrong), "device.host-node");
  });
}

// mknod(2) that did nothing, or that was undone at once, is noticed.
TEST_F(InitSteps, ADeviceThatWasNotMade) {
  run([](Container& c) {
    c.kernel.pretend_every("mknodat");
    c.equal("pretended", c.add(null_device()), "system.call");
    c.equal("errno", c.last_errno, ENOENT);
  });
}

TEST_F(InitSteps, LinksOfDev) {
  scratch.directory("root/dev");
  scratch.write("root/dev/fd", "theirs");
  run([](Container& c) {
    c.ok("new", c.add(plan::MakeSymlink{"/proc/self/fd/0", "/dev/stdin"}));
    c.ok("taken", c.add(plan::MakeSymlink{"/proc/self/fd", "/dev/fd"}));
  });
  EXPECT_EQ(std::filesystem::read_symlink(scratch / "root/dev/stdin"), "/proc/self/fd/0");
  EXPECT_EQ(scratch.read("root/dev/fd"), "theirs");
}

// --- masks

TEST_F(InitSteps, MasksCover) {
  scratch.directory("root/dev");
  device("dev/null", 3);
  scratch.write("root/secret", "secret");
  for (const char* name : {"root/one", "root/two"}) {
    scratch.directory(name);
    scratch.write(std::string(name) + "/file", "secret");
  }
  run([&](Container& c) {
    c.ok("file", c.add(MaskPath{"/secret"}));
    c.ok("one", c.add(MaskPath{"/one"}));
    c.ok("two", c.add(MaskPath{"/two"}));
    c.equal("content", scratch.read("root/secret"), "");
    for (const char* name : {"one", "two"}) {
      c.expect(name, !scratch.exists("root/" + std::string(name) + "/file"));
      c.equal(name, c.write_errno(std::string(name) + "/new"), EROFS);
    }
    c.ok("read back", c.check_mounts());
    c.equal("attached", c.context.attached.size(), 3u);
  });
  EXPECT_EQ(scratch.read("root/secret"), "secret");
}

TEST_F(InitSteps, AbsentPathsNeedNoMask) {
  scratch.write("root/file", "");
  run([](Container& c) {
    c.ok("absent", c.add(MaskPath{"/absent"}));
    c.ok("below a file", c.add(MaskPath{"/file/below"}));
    c.ok("absent", c.add(plan::ReadonlyPath{"/absent"}));
    for (const Attached& one : c.context.attached) c.equal("id", one.mount_id, 0u);
    c.equal("noted", c.context.attached.size(), 3u);
    c.ok("read back", c.check_mounts());
  });
}

TEST_F(InitSteps, MaskedLinksStayInside) {
  scratch.link(scratch / "outside/canary", "root/link");
  scratch.link("loop", "root/loop");
  run([](Container& c) {
    c.ok("out", c.add(MaskPath{"/link"}));
    c.equal("nothing", c.context.attached.at(0).mount_id, 0u);
    c.equal("loop", c.add(MaskPath{"/loop"}), "fs.link");
    c.equal("read-only loop", c.add(plan::ReadonlyPath{"/loop"}), "fs.link");
  });
}

class NullDevice : public InitSteps {
 protected:
  void SetUp() override {
    scratch.directory("root/dev");
    scratch.write("root/secret", "secret");
  }
  void expect_mask(const std::string& rule) {
    run([&](Container& c) {
      c.equal("mask", c.add(MaskPath{"/secret"}), rule);
      c.equal("nothing attached", c.context.attached.size(), 0u);
    });
  }
};

TEST_F(NullDevice, MustNotBeALink) {
  scratch.link(scratch / "outside/canary", "root/dev/null");
  expect_mask("mask.null-device");
}
TEST_F(NullDevice, MustNotBeALinkToTheRealOne) {
  device("dev/real", 3);
  scratch.link("real", "root/dev/null");
  expect_mask("mask.null-device");
}
TEST_F(NullDevice, MustNotBeAFile) {
  scratch.write("root/dev/null", "leak");
  expect_mask("mask.null-device");
}
TEST_F(NullDevice, MustNotBeAnotherDevice) {
  device("dev/null", 8);
  expect_mask("mask.null-device");
}
TEST_F(NullDevice, MustBeThere) {
  expect_mask("system.call");
}

TEST_F(InitSteps, ReadonlyPathsAreReadonlyAllTheWayDown) {
  scratch.directory("root/path/below");
  scratch.directory("root/other");
  run([](Container& c) {
    c.ok("below", c.add(filesystem("tmpfs", "/path/below")));
    c.equal("before", c.write_errno("path/below/file"), 0);
    c.ok("read-only", c.add(plan::ReadonlyPath{"/path"}));
    c.equal("path", c.write_errno("path/file"), EROFS);
    c.equal("below", c.write_errno("path/below/again"), EROFS);
    c.equal("other", c.write_errno("other/file"), 0);
    c.ok("read back", c.check_mounts());
  });
}

// A kernel that makes nothing read-only is found out by the read-back.
TEST_F(InitSteps, ALyingKernelIsReadBack) {
  scratch.directory("root/path");
  run([](Container& c) {
    c.kernel.pretend_every("mount_setattr");
    c.ok("pretended", c.add(plan::ReadonlyPath{"/path"}));
    c.equal("read back", c.check_mounts(), "readback.mount");
  });
  run([](Container& c) {
    c.kernel.pretend_every("move_mount");
    c.ok("pretended", c.add(filesystem("tmpfs", "/path")));
    c.equal("read back", c.check_mounts(), "readback.mount");
  });
}

}  // namespace
}  // namespace casemate::apply
