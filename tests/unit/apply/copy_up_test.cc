// tmpcopyup: what of an image, which an attacker may have prepared, a tmpfs begins with.
#include "shim/apply/copy_up.h"

#include <sys/socket.h>
#include <sys/un.h>

#include "tests/unit/apply/init_steps.h"

namespace casemate::apply {
namespace {

class CopyUp : public InitSteps {
 protected:
  AttachMount step(const std::string& destination = "/t") const {
    AttachMount step = filesystem("tmpfs", destination);
    step.options.copy_up = true;
    return step;
  }
  void chmod(const std::string& name, mode_t mode) const {
    ASSERT_EQ(::chmod((scratch / ("root/" + name)).c_str(), mode), 0) << name;
  }
  void chown(const std::string& name, uid_t uid, gid_t gid) const {
    ASSERT_EQ(::lchown((scratch / ("root/" + name)).c_str(), uid, gid), 0) << name;
  }
};

TEST_F(CopyUp, FilesFoldersAndLinksAsTheyAre) {
  scratch.directory("root/t/deep/er");
  scratch.write("root/t/file", std::string((1 << 20) + 7, 'x'));
  scratch.write("root/t/deep/er/file", "deep");
  scratch.link("../../outside/canary", "root/t/link");
  chown("t/deep/er", 12, 34);
  chmod("t/deep/er", 02751);
  chown("t/file", 56, 78);
  chmod("t/file", 0640);
  chown("t/link", 90, 91);
  chown("t", 3, 4);
  chmod("t", 01770);
  run([&](Container& c) {
    c.ok("mount", c.add(step()));
    c.equal("file", scratch.read("root/t/file").size(), std::size_t{(1 << 20) + 7});
    c.equal("deep", scratch.read("root/t/deep/er/file"), "deep");
    c.equal("link", std::filesystem::read_symlink(scratch / "root/t/link").string(),
            "../../outside/canary");
    const auto is = [&](const char* name, mode_t mode, uid_t uid, gid_t gid) {
      const struct stat facts = status(name);
      c.equal(name, facts.st_mode & 07777, mode);
      c.equal(name, facts.st_uid, uid);
      c.equal(name, facts.st_gid, gid);
    };
    is("t", 01770, 3, 4);
    is("t/deep/er", 02751, 12, 34);
    is("t/file", 0640, 56, 78);
    is("t/link", 0777, 90, 91);
    c.ok("read back", c.check_mounts());
    c.equal("writable", c.write_errno("t/new"), 0);
  });
  EXPECT_FALSE(scratch.exists("root/t/new"));  // the image is as it was
}

TEST_F(CopyUp, NoRightAndNoDeviceComesWithIt) {
  scratch.directory("root/t");
  for (const char* name : {"t/setuid", "t/hard"}) scratch.write(std::string("root/") + name, "x");
  chmod("t/setuid", 06755);
  ASSERT_EQ(::link((scratch / "root/t/hard").c_str(), (scratch / "root/t/other").c_str()), 0);
  ASSERT_EQ(::mkfifo((scratch / "root/t/fifo").c_str(), 0666), 0);
  device("t/null", 3);
  const UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM, 0));
  sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
  (scratch / "root/t/socket").copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  run([&](Container& c) {
    c.ok("mount", c.add(step()));
    c.equal("setuid", status("t/setuid").st_mode & 07777, 0755u);
    c.equal("hard link", status("t/other").st_nlink, 1u);
    for (const char* name : {"root/t/fifo", "root/t/null", "root/t/socket"})
      c.expect(name, !scratch.exists(name));
  });
}

TEST_F(CopyUp, OptionsBeforeTheFolder) {
  scratch.directory("root/t");
  scratch.write("root/t/file", "x");
  chown("t", 3, 4);
  AttachMount mount = step();
  mount.options.data = {{"mode", "0711"}, {"uid", "7"}};
  mount.options.attributes.set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV;
  run([&](Container& c) {
    c.ok("mount", c.add(mount));
    c.equal("mode", status("t").st_mode & 07777, 0711u);
    c.equal("uid", status("t").st_uid, 7u);
    c.equal("file", scratch.read("root/t/file"), "x");
    c.equal("read-only", c.write_errno("t/new"), EROFS);
    c.ok("read back", c.check_mounts());
  });
}

TEST_F(CopyUp, AFolderThatIsAbsentIsEmpty) {
  run([&](Container& c) {
    c.ok("mount", c.add(step("/made/now")));
    c.expect("empty", std::filesystem::is_empty(scratch / "root/made/now"));
  });
}

// The size of the tmpfs holds, and so do our own bounds.
TEST_F(CopyUp, NoMoreThanFits) {
  scratch.directory("root/t/a/b/c");
  scratch.write("root/t/a/file", std::string(100'000, 'x'));
  AttachMount small = step();
  small.options.data = {{"size", "64k"}};
  AttachMount few = step();
  few.options.data = {{"nr_inodes", "3"}};
  run([&](Container& c) {
    c.equal("size", c.add(small), "mount.copy-up");
    c.equal("inodes", c.add(few), "mount.copy-up");
    c.equal("attached", c.context.attached.size(), 0u);
    const UniqueFd folder = std::move(c.context.root->open("/t", O_PATH).value());
    const auto bounded = [&](const CopyBounds& bounds) {
      return rule_of(copy_up(c.kernel, folder.get(), c.tmpfs().get(), {}, bounds));
    };
    c.ok("as much as there is", bounded({.bytes = 100'000, .entries = 4, .depth = 4}));
    c.equal("bytes", bounded({.bytes = 99'999}), "mount.copy-up");
    c.equal("entries", bounded({.entries = 3}), "mount.copy-up");
    c.equal("depth", bounded({.depth = 3}), "mount.copy-up");
  });
}

// A sparse file is as long as it says it is.
TEST_F(CopyUp, AHugeSparseFileEndsAtTheBound) {
  scratch.write("root/t-file", "");
  scratch.directory("root/t");
  scratch.write("root/t/huge", "x");
  ASSERT_EQ(::truncate((scratch / "root/t/huge").c_str(), off_t{1} << 40), 0);
  AttachMount small = step();
  small.options.data = {{"size", "8m"}};
  run([&](Container& c) { c.equal("mount", c.add(small), "mount.copy-up"); });
}

// Links of the image lead inside, and what is mounted there is not the image's to give away.
TEST_F(CopyUp, OnlyTheImagesOwnFiles) {
  scratch.directory("root/t/real");
  scratch.write("root/t/real/file", "x");
  scratch.link("/t/real", "root/link");
  scratch.link("/bind", "root/to-bind");
  scratch.link(scratch / "outside", "root/escape");
  scratch.directory("secret");
  scratch.write("secret/key", "key");
  run([&](Container& c) {
    const UniqueFd secret(::open((scratch / "secret").c_str(), O_PATH | O_CLOEXEC));
    c.prepared.mounts[0] = std::move(c.kernel.open_tree(secret.get(), "", kClone).value());
    c.ok("bind", c.add(prepared_mount(MountKind::bind, "/bind")));
    c.equal("of a bind", c.add(step("/to-bind")), "mount.copy-up");
    c.equal("outside", c.add(step("/escape")), "fs.dangling");
    c.ok("inside", c.add(step("/link")));
    c.equal("file", scratch.read("root/t/real/file"), "x");
    // On a tmpfs that began as the image's folder, as engines ask for /run and /run/lock.
    c.ok("tmpfs", c.add(step("/t")));
    c.ok("on it", c.add(step("/t/real")));
    // The first one was covered by now: what is below a mount point is not copied.
    c.expect("not entered", std::filesystem::is_empty(scratch / "root/t/real"));
  });
}

TEST_F(CopyUp, WhatIsMountedBelowIsLeftOut) {
  scratch.directory("root/t/below");
  scratch.write("root/t/file", "x");
  run([&](Container& c) {
    c.ok("below", c.add(filesystem("tmpfs", "/t/below")));
    c.equal("write", c.write_errno("t/below/secret"), 0);
    c.ok("mount", c.add(step()));
    c.expect("file", scratch.exists("root/t/file"));
    c.expect("below", !scratch.exists("root/t/below"));
  });
}

// The job's: the parent made it, and the warden holds it.
TEST_F(CopyUp, IntoATmpfsThatTheParentMade) {
  scratch.directory("root/t");
  scratch.write("root/t/file", "x");
  run([&](Container& c) {
    AttachMount scratch_step = step();
    scratch_step.kind = MountKind::scratch;
    c.prepared.mounts[0] = c.tmpfs();
    const int held = ::dup(c.prepared.mounts[0].get());
    c.ok("mount", c.add(scratch_step));
    struct stat facts = {};
    c.equal("in the held mount", ::fstatat(held, "file", &facts, 0), 0);
  });
}

// Whichever call lies: what stands is the image's folder, or the step fails.
TEST_F(CopyUp, NoLieGoesUnnoticed) {
  scratch.directory("root/t/sub");
  scratch.write("root/t/file", "content");
  scratch.link("file", "root/t/link");
  chown("t/file", 5, 6);
  chmod("t/sub", 0700);
  run([&](Container& c) {
    const UniqueFd folder = std::move(c.context.root->open("/t", O_PATH).value());
    const auto fill = [&](int tmpfs) { return copy_up(c.kernel, folder.get(), tmpfs, {}); };
    const UniqueFd first = c.tmpfs();
    c.kernel.reset();
    c.expect("copy", fill(first.get()).has_value());
    const std::size_t calls = c.kernel.calls();
    for (std::size_t call = 1; call <= calls; ++call) {
      c.kernel.reset();
      const UniqueFd tmpfs = c.tmpfs();
      const std::size_t before = c.kernel.calls();
      c.kernel.pretend_call(before + call);
      if (!fill(tmpfs.get())) continue;
      struct stat file = {}, link = {}, sub = {};
      const bool there = ::fstatat(tmpfs.get(), "file", &file, 0) == 0 &&
                         ::fstatat(tmpfs.get(), "link", &link, AT_SYMLINK_NOFOLLOW) == 0 &&
                         ::fstatat(tmpfs.get(), "sub", &sub, 0) == 0;
      c.expect(c.kernel.made()[before + call - 1].c_str(),
               there && file.st_size == 7 && file.st_uid == 5 && file.st_gid == 6 &&
                   S_ISLNK(link.st_mode) && (sub.st_mode & 07777) == 0700);
    }
  });
}

}  // namespace
}  // namespace casemate::apply
