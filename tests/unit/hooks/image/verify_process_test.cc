// casemate-verify as the runtime starts it: a process of its own, over a socket.
#include <chrono>

#include "hooks/image/jws.h"
#include "shim/base/clock.h"
#include "shim/sys/helper.h"
#include "tests/unit/hooks/image/image_fixture.h"

namespace casemate::image {
namespace {

class VerifyProcessTest : public testing::Test {
 protected:
  static Result<Json> ask(const Json& request, const std::vector<int>& fds = {}) {
    auto reply = sys::call_helper(CASEMATE_BINARY_DIR "/bin/casemate-verify", request, fds,
                                  {.deadline = std::chrono::seconds(60)});
    if (!reply) return std::unexpected(std::move(reply.error()));
    return std::move(reply->body);
  }
  static Json trusted(const std::string& name, const PrivateKey& key) {
    return {{"name", name}, {"key_pem", *key.public_key().to_pem()}};
  }
  TempDir dir_;
  PrivateKey key_ = *PrivateKey::generate(KeyType::p256);
};

class VerifyImageTest : public VerifyProcessTest {
 protected:
  void SetUp() override {
    digest_ = layout_.add_image({base_, top_}, Pack::gzip);
    ASSERT_TRUE(sign(layout_, key_, digest_));
    std::filesystem::create_directory(rootfs_);
    for (const auto* tar : {&base_, &top_}) {
      write_text(dir_.path("layer.tar"), tar->build());
      ASSERT_EQ(run("tar -C " + rootfs_ + " -xpf " + dir_.path("layer.tar")), 0);
    }
    std::filesystem::remove(rootfs_ + "/.wh.gone");
    std::filesystem::remove(rootfs_ + "/gone");
    // Only its owner may read it: the helper needs its one capability.
    ::chmod((rootfs_ + "/shadow").c_str(), 0);
  }
  Json request(const std::string& level = "content") const {
    return {{"op", "image"},
            {"digest", digest_},
            {"repository", kRepository},
            {"level", level},
            {"signers", {trusted("acme-release", key_)}},
            {"engineFiles", {"/.dockerenv"}},
            {"mountPoints", {"/data"}}};
  }
  Result<Json> ask_image(const Json& body) const {
    const UniqueFd rootfs(::open(rootfs_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    std::vector<int> fds = {empty_.fd(), layout_.fd()};
    if (body["level"] == "content") fds.push_back(rootfs.get());
    return ask(body, fds);
  }
  const TarBuilder base_ = TarBuilder().dir("bin").file("bin/app", "v1", 0755).file("gone", "x");
  const TarBuilder top_ =
      TarBuilder().file("bin/app", "v2", 0755).file("shadow", "s", 0).file(".wh.gone", "");
  Layout empty_{dir_.path("empty")};
  Layout layout_{dir_.path("layout")};
  std::string rootfs_ = dir_.path("rootfs");
  std::string digest_;
};

TEST_F(VerifyImageTest, ContentAndChain) {
  const auto content = ask_image(request());
  ASSERT_TRUE(content) << content.error().message();
  EXPECT_EQ((*content)["signer"], "acme-release");
  EXPECT_EQ((*content)["digest"], digest_);
  EXPECT_EQ((*content)["layers"], 2);
  EXPECT_EQ((*content)["files"], 3);
  EXPECT_EQ((*content)["config"]["entrypoint"], Json({"/bin/app"}));
  EXPECT_EQ((*content)["config"]["cmd"], Json({"--fast"}));
  EXPECT_EQ((*content)["config"]["env"], Json({"PATH=/bin"}));
  EXPECT_EQ((*content)["config"]["workingDir"], "/work");
  EXPECT_EQ((*content)["config"]["user"], "1000");
  const auto chain = ask_image(request("chain"));
  ASSERT_TRUE(chain) << chain.error().message();
  EXPECT_EQ((*chain)["files"], 0);
}

TEST_F(VerifyImageTest, ChangedRootfs) {
  write_text(rootfs_ + "/bin/app", "v1", 0755);
  const auto verdict = ask_image(request());
  ASSERT_FALSE(verdict);
  EXPECT_EQ(verdict.error().rule, "image.content");
  EXPECT_EQ(verdict.error().what, "/bin/app: content differs from the signed image");
  EXPECT_EQ(verdict.error().cls, ErrorClass::denied);
  EXPECT_TRUE(ask_image(request("chain")));
}

TEST_F(VerifyImageTest, EveryChangedBlobIsRefused) {
  int seen = 0;
  for (const auto& blob : std::filesystem::directory_iterator(layout_.path() + "/blobs/sha256")) {
    const std::string good = read_text(blob.path());
    if (good.starts_with(R"({"architecture":"","config":{})")) continue;  // the signature's config
    write_text(blob.path(), flip(good, good.size() / 2));
    EXPECT_EQ(rule_of(ask_image(request("chain"))), "image.blob") << blob.path();
    EXPECT_EQ(rule_of(ask_image(request())), "image.blob") << blob.path();
    write_text(blob.path(), good);
    ++seen;
  }
  EXPECT_EQ(seen, 6);  // manifest, config, two layers, signature manifest, payload
}

TEST_F(VerifyImageTest, RefusalsKeepTheirRule) {
  Json body = request();
  body["signers"] = {trusted("someone", *PrivateKey::generate(KeyType::p256))};
  EXPECT_EQ(rule_of(ask_image(body)), "image.signature");
  body = request();
  body["repository"] = "registry.example/acme/other";
  EXPECT_EQ(rule_of(ask_image(body)), "image.repository");
  body = request();
  body["digest"] = "sha256:" + std::string(64, '0');
  EXPECT_EQ(rule_of(ask_image(body)), "image.not-found");
  body["digest"] = "v1";
  EXPECT_EQ(rule_of(ask_image(body)), "image.digest-algorithm");
  body = request("everything");
  EXPECT_EQ(rule_of(ask_image(body)), "verify.request");
  body = request();
  body["trust"] = "all";
  EXPECT_EQ(rule_of(ask_image(body)), "json.unknown-key");
  EXPECT_EQ(rule_of(ask(request(), {layout_.fd()})), "verify.request");
  EXPECT_EQ(rule_of(ask({{"op", "shell"}})), "verify.request");
  EXPECT_EQ(rule_of(ask(Json::array())), "json.type");
}

class VerifyJobTest : public VerifyProcessTest {
 protected:
  Json request(const std::string& jws) const {
    Json scheduler = trusted("slurm", key_);
    scheduler["tenants"] = {"acme"};
    scheduler["profiles"] = {"restricted"};
    scheduler["images"] = {"registry.example/acme/*"};
    return {{"op", "job"}, {"jws", jws}, {"schedulers", {scheduler}}, {"now", now_}};
  }
  std::string signed_job(const Json& changes = Json::object()) const {
    Json job = {
        {"version", 1},
        {"tenant", "acme"},
        {"image", {{"digest", "sha256:" + std::string(64, 'a')}, {"repository", kRepository}}},
        {"datasets", Json::array()},
        {"profile", "restricted"},
        {"gpu", 0},
        {"issued", rfc3339(now_)},
        {"expires", rfc3339(now_ + 600)},
        {"nonce", std::string(32, '0')}};
    job.update(changes);
    return *sign_jws(key_, "slurm", kJobType, dump(job));
  }
  std::int64_t now_ = now_unix();
};

TEST_F(VerifyJobTest, AGoodJob) {
  const auto verdict = ask(request(signed_job()));
  ASSERT_TRUE(verdict) << verdict.error().message();
  EXPECT_EQ((*verdict)["scheduler"], "slurm");
  EXPECT_EQ((*verdict)["job"]["tenant"], "acme");
}

TEST_F(VerifyJobTest, Refusals) {
  EXPECT_EQ(rule_of(ask(request(signed_job({{"tenant", "other"}})))), "job.tenant");
  EXPECT_EQ(rule_of(ask(request(signed_job({{"profile", "lab"}})))), "job.profile");
  EXPECT_EQ(rule_of(ask(request(
                signed_job({{"expires", rfc3339(now_ - 61)}, {"issued", rfc3339(now_ - 700)}})))),
            "job.expired");
  const auto forged = *sign_jws(*PrivateKey::generate(KeyType::p256), "slurm", kJobType, "{}");
  EXPECT_EQ(rule_of(ask(request(forged))), "jws.signature");
  EXPECT_EQ(rule_of(ask(request("not json"))), "json.syntax");
}

}  // namespace
}  // namespace casemate::image
