// Steps of init that mount, and the root.
#include "tests/unit/apply/init_steps.h"

namespace casemate::apply {
namespace {

// --- mounts

TEST_F(InitSteps, FileSystemsWithTheirOptions) {
  run([&](Container& c) {
    AttachMount step = filesystem("tmpfs", "/made/now");
    step.options.attributes.set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
    step.options.data = {{"mode", "0711"}, {"size", "64k"}, {"newinstance", ""}};
    c.ok("mount", c.add(step));
    struct statvfs facts = {};
    c.equal("statvfs", ::statvfs((scratch / "root/made/now").c_str(), &facts), 0);
    c.equal("flags", facts.f_flag & (ST_NOSUID | ST_NODEV | ST_NOEXEC | ST_RDONLY),
            static_cast<unsigned long>(ST_NOSUID | ST_NODEV | ST_NOEXEC));
    c.equal("size", facts.f_blocks * facts.f_frsize, 65536u);
    c.equal("mode", status("made/now").st_mode & 07777, 0711u);
    c.ok("read back", c.check_mounts());
  });
}

TEST_F(InitSteps, ProcAndSysMustNotBeLinks) {
  scratch.directory("root/elsewhere");
  scratch.link("/elsewhere", "root/proc");
  scratch.link(scratch / "outside", "root/sys");
  run([](Container& c) {
    c.equal("proc", c.add(filesystem("proc", "/proc")), "mount.symlink");
    c.equal("sysfs", c.add(filesystem("sysfs", "/sys")), "mount.symlink");
    c.equal("nothing attached", c.context.attached.size(), 0u);
  });
  std::filesystem::remove(scratch / "root/proc");
  scratch.write("root/proc", "a file");
  run([](Container& c) { c.equal("file", c.add(filesystem("proc", "/proc")), "mount.symlink"); });
}

// Through links of the image: the mount lands inside, or nowhere.
TEST_F(InitSteps, LinkedDestinationsStayInside) {
  scratch.directory("root/real");
  scratch.link("/../../real", "root/link");
  scratch.link(scratch / "outside", "root/escape");
  run([&](Container& c) {
    c.ok("inside", c.add(filesystem("tmpfs", "/link")));
    c.equal("write", c.write_errno("real/file"), 0);
    c.equal("escape", c.add(filesystem("tmpfs", "/escape")), "fs.dangling");
    c.equal("below", c.add(filesystem("tmpfs", "/escape/below")), "fs.dangling");
    c.equal("dots", c.add(filesystem("tmpfs", "/real/../../outside")), "fs.dotdot");
  });
  EXPECT_FALSE(scratch.exists("root/real/file"));  // it was on the tmpfs
}

TEST_F(InitSteps, NothingIsMountedIntoProc) {
  scratch.directory("root/proc");
  scratch.link("/proc/tty", "root/link");
  scratch.link("/proc/version", "root/file");
  scratch.link("/proc/self/fd/0", "root/magic");
  run([](Container& c) {
    c.ok("proc", c.add(filesystem("proc", "/proc")));
    for (const char* destination : {"/proc", "/proc/tty", "/link"})
      c.equal(destination, c.add(filesystem("tmpfs", destination)), "mount.covers");
    c.equal("magic", c.add(filesystem("tmpfs", "/magic")), "fs.link");
    c.prepared.mounts[c.plan.steps.size()] = c.tmpfs();
    c.equal("bind", c.add(prepared_mount(MountKind::bind, "/link")), "mount.covers");
    c.equal("cgroup", c.add(prepared_mount(MountKind::cgroup, "/link")), "mount.covers");
    const UniqueFd file(::open("/etc/hostname", O_PATH | O_CLOEXEC));
    c.prepared.mounts[c.plan.steps.size()] =
        std::move(c.kernel.open_tree(file.get(), "", kClone).value());
    c.equal("file", c.add(prepared_mount(MountKind::bind, "/file")), "mount.covers");
    c.equal("attached", c.context.attached.size(), 1u);
  });
}

TEST_F(InitSteps, NothingCoversADataset) {
  scratch.link("/data", "root/link");
  run([&](Container& c) {
    c.prepared.mounts[0] = c.tmpfs();
    c.expect("file", c.kernel.mkdirat(c.prepared.mounts[0].get(), "part", 0755).has_value());
    c.ok("dataset", c.add(prepared_mount(MountKind::dataset, "/data")));
    for (const char* destination : {"/data", "/data/part", "/link/part"})
      c.equal(destination, c.add(filesystem("tmpfs", destination)), "mount.covers");
  });
}

TEST_F(InitSteps, DatasetsMustBeReadonly) {
  run([](Container& c) {
    c.prepared.mounts[0] = c.tmpfs();
    c.ok("dataset", c.add(prepared_mount(MountKind::dataset, "/data")));
    c.equal("read back", c.check_mounts(), "readback.mount");
  });
}

TEST_F(InitSteps, WhatTheParentDidNotPrepare) {
  run([](Container& c) {
    c.equal("bind", c.add(prepared_mount(MountKind::bind, "/a")), "mount.unprepared");
    c.equal("dataset", c.add(prepared_mount(MountKind::dataset, "/a")), "mount.unprepared");
    c.equal("type", c.add(filesystem("beerfs", "/a")), "system.call");
    c.equal("errno", c.last_errno, ENODEV);
  });
}

TEST_F(InitSteps, FilesCoverFilesAndDirectoriesDirectories) {
  scratch.directory("root/directory");
  scratch.write("root/file", "");
  run([](Container& c) {
    const UniqueFd file(::open("/etc/passwd", O_PATH | O_CLOEXEC));
    c.prepared.mounts[0] = std::move(c.kernel.open_tree(file.get(), "", kClone).value());
    c.equal("file", c.add(prepared_mount(MountKind::bind, "/directory")), "fs.directory");
    c.prepared.mounts[1] = c.tmpfs();
    c.equal("directory", c.add(prepared_mount(MountKind::bind, "/file")), "system.call");
    c.equal("errno", c.last_errno, ENOTDIR);
  });
}

TEST_F(InitSteps, ControlGroupsOfSeveralHierarchies) {
  run([](Container& c) {
    for (const char* name : {"cpu", "memory"}) c.prepared.cgroups[0].push_back({name, c.tmpfs()});
    AttachMount step = prepared_mount(MountKind::cgroup, "/sys/fs/cgroup");
    step.options.attributes.set = MOUNT_ATTR_RDONLY;
    c.ok("cgroups", c.add(step));
    c.equal("attached", c.context.attached.size(), 3u);
    c.equal("top", c.write_errno("sys/fs/cgroup/file"), EROFS);
    c.equal("below", c.write_errno("sys/fs/cgroup/memory/file"), 0);
    // The parent makes each of them read-only; here nobody has.
    c.equal("read back", c.check_mounts(), "readback.mount");
    for (const auto& cgroup : c.prepared.cgroups[0]) {
      const mount_attr readonly{.attr_set = MOUNT_ATTR_RDONLY};
      c.expect("ro", c.kernel.mount_setattr(cgroup.mount.get(), 0, readonly).has_value());
    }
    c.ok("read back", c.check_mounts());
  });
}

TEST_F(InitSteps, OneControlGroupIsMountedItself) {
  run([](Container& c) {
    c.prepared.cgroups[0].push_back({"", c.tmpfs()});
    c.ok("cgroup", c.add(prepared_mount(MountKind::cgroup, "/sys/fs/cgroup")));
    c.equal("attached", c.context.attached.size(), 1u);
    c.ok("read back", c.check_mounts());
  });
}

// --- root

class Root : public InitSteps {
 protected:
  // The steps from the root to the pivot, on `c`; what the plan says of them is read back.
  void pivot(Container& c, std::uint64_t upper_bytes) {
    const UniqueFd source = scratch.open_root();
    c.prepared.root = std::move(c.kernel.open_tree(source.get(), "", kClone).value());
    c.ok("root",
         c.add(plan::AttachRoot{
             .source = scratch / "root", .upper_bytes = upper_bytes, .propagation = MS_PRIVATE}));
    c.ok("pivot", c.add(plan::PivotRoot{}));
    c.ok("read back", c.check_mounts());
    c.expect("mine", std::filesystem::exists("/mine"));
    c.expect("the host's", !std::filesystem::exists(scratch.path()));
    c.equal("cwd", std::filesystem::current_path().string(), "/");
  }
};

TEST_F(Root, BecomesTheRoot) {
  scratch.write("root/mine", "");
  run([&](Container& c) {
    pivot(c, 0);
    std::ofstream("/written") << "x";
    c.ok("read-only", c.add(plan::RootReadonly{}));
    c.expect("EROFS", ::mkdir("/new", 0755) == -1 && errno == EROFS);
    c.ok("read back", c.check_mounts());
  });
  EXPECT_EQ(scratch.read("root/written"), "x");
}

TEST_F(Root, APretendedReadonlyRootIsReadBack) {
  scratch.write("root/mine", "");
  run([&](Container& c) {
    pivot(c, 0);
    c.kernel.pretend_every("mount_setattr");
    c.ok("pretended", c.add(plan::RootReadonly{}));
    c.equal("read back", c.check_mounts(), "readback.root-readonly");
  });
}

TEST_F(Root, AnOldRootThatStaysIsReadBack) {
  scratch.write("root/mine", "");
  run([&](Container& c) {
    const UniqueFd source = scratch.open_root();
    c.prepared.root = std::move(c.kernel.open_tree(source.get(), "", kClone).value());
    c.ok("root", c.add(plan::AttachRoot{.source = scratch / "root", .propagation = MS_PRIVATE}));
    c.kernel.pretend_every("umount2");
    c.ok("pretended", c.add(plan::PivotRoot{}));
    c.equal("read back", c.check_mounts(), "readback.pivot-root");
  });
}

// What a job writes goes to memory, never to the image.
TEST_F(Root, OverlayKeepsTheImage) {
  scratch.write("root/mine", "mine");
  run([&](Container& c) {
    c.prepared.upper = c.tmpfs();
    for (const char* name : {"upper", "work"})
      c.expect(name, c.kernel.mkdirat(c.prepared.upper.get(), name, 0755).has_value());
    pivot(c, 1 << 20);
    std::ofstream("/mine") << "changed";
    std::ofstream("/new") << "new";
    c.expect("written", std::filesystem::exists("/new"));
  });
  EXPECT_EQ(scratch.read("root/mine"), "mine");
  EXPECT_FALSE(scratch.exists("root/new"));
}

}  // namespace
}  // namespace casemate::apply
