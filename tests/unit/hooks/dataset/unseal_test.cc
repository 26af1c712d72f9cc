// casemate-unseal as the runtime calls it. Needs root, as the runtime does.
#include <dirent.h>
#include <linux/mount.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "shim/base/json.h"
#include "shim/fs/wipe.h"
#include "shim/sys/helper.h"
#include "shim/sys/real_kernel.h"
#include "tests/unit/hooks/dataset/support.h"

namespace casemate::dataset {
namespace {

using namespace testing;

class Unseal : public ::testing::Test {
 protected:
  Unseal() {
    ::umask(022);
    write_text(source_ / "images/one", pattern(3 * kAlignedFile + 5, 1));
    write_text(source_ / "images/two", pattern(700, 2));
    write_text(source_ / "labels", "0 1 2\n");
    ::chmod((source_ / "labels").c_str(), 0640);
    write_text(sealed_, world_.seal_tree(source_));
    const SecretBytes key = *jwk_to_json(world_.host().get(), /*with_private=*/true);
    write_text(key_, as_text({key.data(), key.size()}));
    ::chmod(key_.c_str(), 0600);
  }

  Json request() const {
    return {{"tenant", "acme"},
            {"dataset", "digits"},
            {"profile", "restricted"},
            {"imageSigner", "acme-release"},
            {"maxBytes", 64 << 20},
            {"maxCriticality", "restricted"},
            {"keys", {{{"kid", "file:host"}}}},
            {"tenantKeys", {{{"name", "acme-2026"}, {"pem", world_.tenant().public_pem}}}},
            {"mount", {{"uid", 4242}, {"gid", 4343}, {"mode", 0750}}}};
  }
  static bool is_empty(int directory) {
    return files::is_empty("/proc/self/fd/" + std::to_string(directory));
  }
  // The holder's mount, handed over before anything is in it, stands first among the descriptors.
  Result<sys::HelperMessage> call(const Json& request) const {
    const UniqueFd file(::open(sealed_.c_str(), O_RDONLY | O_CLOEXEC));
    const UniqueFd key(::open(key_.c_str(), O_RDONLY | O_CLOEXEC));
    const int fds[] = {file.get(), key.get()};
    UniqueFd holder;
    auto reply = sys::call_helper(
        std::string(CASEMATE_BINARY_DIR) + "/bin/casemate-unseal", request, fds,
        {.deadline = std::chrono::seconds(60), .take = [&](sys::HelperMessage given) -> Status {
           if (given.body != Json("mount") || given.fds.size() != 1)
             return internal("test.take", "not one mount");
           holder = std::move(given.fds[0]);
           if (!is_empty(holder.get())) return internal("test.take", "not empty yet");
           return take_;
         }});
    if (reply) reply->fds.insert(reply->fds.begin(), std::move(holder));
    return reply;
  }
  std::string rule(const Json& request) const {
    const auto reply = call(request);
    return reply ? "opened" : reply.error().rule;
  }
  // The same with one member of the request changed.
  std::string rule_with(const char* key, const Json& value) const {
    Json changed = request();
    changed[key] = value;
    return rule(changed);
  }
  void reseal(const SealOptions& options) {
    write_text(sealed_, world_.seal_tree(source_, options));
  }

  World world_;
  files::path source_ = world_.dir() / "source";
  files::path sealed_ = world_.dir() / "data.sealed";
  files::path key_ = world_.dir() / "host.jwk";
  Status take_;  // what is said to the mount that is handed over
};

std::string read_beneath(int directory, const char* path) {
  const UniqueFd fd(::openat(directory, path, O_RDONLY | O_CLOEXEC));
  struct stat facts{};
  if (!fd || ::fstat(fd.get(), &facts) != 0) return "<" + std::string(strerror(errno)) + ">";
  std::string out(static_cast<std::size_t>(facts.st_size), '\0');
  const ssize_t got = ::pread(fd.get(), out.data(), out.size(), 0);
  return got == facts.st_size ? out : "<short>";
}

TEST_F(Unseal, FilesArriveReadOnlyAndTheHostSeesNoMount) {
  const std::string before = read_text("/proc/self/mountinfo");
  auto reply = call(request());
  ASSERT_TRUE(reply) << reply.error().message();
  EXPECT_EQ(read_text("/proc/self/mountinfo"), before);
  const Json& d = reply->body["dataset"];
  EXPECT_EQ(d["id"], "digits");
  EXPECT_EQ(d["tenant"], "acme");
  EXPECT_EQ(d["serial"], 7);
  EXPECT_EQ(d["criticality"], "restricted");
  EXPECT_EQ(d["slot"], "file:host");
  EXPECT_EQ(d["signer"], "acme-2026");
  EXPECT_EQ(d["files"], 3);
  EXPECT_EQ(d["bytes"], 3 * kAlignedFile + 5 + 700 + 6);
  ASSERT_EQ(reply->fds.size(), 2U);
  const int holder = reply->fds[0].get();
  const int job = reply->fds[1].get();

  EXPECT_EQ(read_beneath(job, "labels"), "0 1 2\n");
  EXPECT_TRUE(read_beneath(job, "images/one") == read_text(source_ / "images/one"));
  struct stat facts{};
  ASSERT_EQ(::fstatat(job, "labels", &facts, 0), 0);
  EXPECT_EQ(facts.st_uid, 4242U);
  EXPECT_EQ(facts.st_gid, 4343U);
  EXPECT_EQ(facts.st_mode, 0100640U);
  ASSERT_EQ(::fstatat(job, "", &facts, AT_EMPTY_PATH), 0);
  EXPECT_EQ(facts.st_mode, 040750U);
  EXPECT_EQ(facts.st_uid, 4242U);

  for (const int mount : {job, holder}) {
    EXPECT_EQ(::openat(mount, "new", O_WRONLY | O_CREAT, 0600), -1);
    EXPECT_EQ(errno, EROFS);
    EXPECT_EQ(::openat(mount, "labels", O_RDWR), -1);
    EXPECT_EQ(errno, EROFS);
  }
  struct statvfs mount{};
  ASSERT_EQ(::fstatvfs(job, &mount), 0);
  constexpr unsigned long kWanted = ST_RDONLY | ST_NOSUID | ST_NODEV | ST_NOEXEC;
  EXPECT_EQ(mount.f_flag & kWanted, kWanted);
}

TEST_F(Unseal, TheJobsMountCanBeMovedIntoAnotherNamespace) {
  auto reply = call(request());
  ASSERT_TRUE(reply) << reply.error().message();
  const auto target = world_.dir() / "target";
  files::create_directories(target);
  const pid_t child = ::fork();
  if (child == 0) {
    if (::unshare(CLONE_NEWNS) != 0 ||
        ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
      ::_exit(1);
    if (::syscall(SYS_move_mount, reply->fds[1].get(), "", AT_FDCWD, target.c_str(),
                  MOVE_MOUNT_F_EMPTY_PATH) != 0)
      ::_exit(2);
    if (read_text(target / "labels") != "0 1 2\n") ::_exit(3);
    if (::open((target / "x").c_str(), O_CREAT | O_WRONLY, 0600) >= 0) ::_exit(4);
    ::_exit(0);
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_TRUE(files::is_empty(target));  // our namespace sees nothing of it
}

TEST_F(Unseal, WipeOverwritesThroughTheHolder) {
  auto reply = call(request());
  ASSERT_TRUE(reply) << reply.error().message();
  // Keeps the file alive beyond its name, to look at what became of its bytes.
  const UniqueFd kept(::openat(reply->fds[1].get(), "images/one", O_RDONLY | O_CLOEXEC));
  ASSERT_TRUE(kept);
  sys::RealKernel kernel;
  const auto wiped = fs::wipe_tree(kernel, reply->fds[0].get());
  ASSERT_TRUE(wiped) << wiped.error().message();
  EXPECT_EQ(wiped->files, 3U);
  EXPECT_GE(wiped->bytes, 3 * kAlignedFile + 5 + 700 + 6);
  std::string bytes(3 * kAlignedFile + 5, 'x');
  ASSERT_EQ(::pread(kept.get(), bytes.data(), bytes.size(), 0), static_cast<ssize_t>(bytes.size()));
  EXPECT_TRUE(bytes == std::string(bytes.size(), '\0'));
  EXPECT_EQ(read_beneath(reply->fds[1].get(), "labels"), "<No such file or directory>");
}

TEST_F(Unseal, RefusalsNameTheirRule) {
  EXPECT_EQ(rule(request()), "opened");
  EXPECT_EQ(rule_with("tenant", "globex"), "dataset.tenant");
  EXPECT_EQ(rule_with("dataset", "faces"), "dataset.id");
  EXPECT_EQ(rule_with("minSerial", 8), "dataset.serial");
  EXPECT_EQ(rule_with("minSerial", 7), "opened");
  EXPECT_EQ(rule_with("maxCriticality", "public"), "dataset.criticality");
  EXPECT_EQ(rule_with("maxBytes", 1000), "dataset.size");
  EXPECT_EQ(rule_with("tenantKeys", Json::array()), "dataset.signature");
  EXPECT_EQ(rule_with("tenantKeys", {{{"name", "x"}, {"pem", SigningPair().public_pem}}}),
            "dataset.signature");
  EXPECT_EQ(rule_with("tenantKeys", {{{"name", "x"}, {"pem", "nonsense"}}}), "dataset.key-format");
  EXPECT_EQ(rule_with("keys", {{{"kid", "file:other"}}}), "dataset.key");
  EXPECT_EQ(rule_with("keys", Json::array()), "dataset.request");
  EXPECT_EQ(rule_with("surprise", 1), "json.unknown-key");
  EXPECT_EQ(rule_with("cipher", "rot13"), "dataset.request");
  ::chmod(key_.c_str(), 0640);
  EXPECT_EQ(rule(request()), "dataset.key-file");
}

TEST_F(Unseal, ReleaseConditions) {
  auto options = world_.options();
  options.conditions = {.profiles = {"restricted", "vault"}, .image_signers = {"acme-release"}};
  reseal(options);
  EXPECT_EQ(rule(request()), "opened");
  EXPECT_EQ(rule_with("profile", "lab"), "dataset.condition");
  EXPECT_EQ(rule_with("imageSigner", "mallory"), "dataset.condition");
  Json nobody = request();
  nobody.erase("imageSigner");
  EXPECT_EQ(rule(nobody), "dataset.condition");
}

// Nothing is decrypted into a mount that nobody holds.
TEST_F(Unseal, AHolderThatRefusesIsTheEnd) {
  take_ = denied("test.refused", "no room", "");
  EXPECT_EQ(rule(request()), "test.refused");
}

TEST_F(Unseal, DamageAtTheVeryEndLeavesNothing) {
  const std::string before = read_text("/proc/self/mountinfo");
  std::string bytes = read_text(sealed_);
  bytes.back() = static_cast<char>(bytes.back() ^ 1);
  write_text(sealed_, bytes);
  EXPECT_EQ(rule(request()), "dataset.tampered");
  EXPECT_EQ(read_text("/proc/self/mountinfo"), before);
}

TEST_F(Unseal, BothCiphersDeliverTheSame) {
  for (const char* cipher : {"openssl", "automatic"}) {
    Json asked = request();
    asked["cipher"] = cipher;
    const auto reply = call(asked);
    ASSERT_TRUE(reply) << reply.error().message();
    EXPECT_TRUE(read_beneath(reply->fds[1].get(), "images/one") ==
                read_text(source_ / "images/one"));
  }
}

}  // namespace
}  // namespace casemate::dataset
