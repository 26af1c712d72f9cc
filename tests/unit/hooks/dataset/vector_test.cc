// The committed test vector, and other programs' view of the header.
#include <sys/wait.h>

#include "tests/unit/hooks/dataset/support.h"

namespace casemate::dataset {
namespace {

using namespace testing;

const files::path kVectors = files::path(CASEMATE_SOURCE_DIR) / "tests/unit/hooks/dataset/vectors";

struct Vector {
  Vector() {
    EXPECT_TRUE(use_locked_json());
    const std::string text = read_text(kVectors / "host.jwk");
    host.push_back(
        {"file:vector-host", *parse_exchange_key(as_bytes(text), /*need_private=*/true)});
    tenant = {{"vector", read_text(kVectors / "tenant.pub.pem")}};
    fd = UniqueFd(::open((kVectors / "digits.sealed").c_str(), O_RDONLY | O_CLOEXEC));
  }
  std::vector<HostKey> host;
  std::vector<TenantKey> tenant;
  UniqueFd fd;
};

TEST(TestVector, OpensToTheDocumentedContent) {
  const Vector vector;
  const SealedFile file = *SealedFile::open(vector.fd.get());
  EXPECT_EQ(file.header().slots,
            (std::vector<std::string>{"file:vector-other", "file:vector-host"}));
  EXPECT_EQ(file.file_bytes(), 73728U);
  const auto unlocked = unlock(file, vector.host, vector.tenant);
  ASSERT_TRUE(unlocked) << unlocked.error().message();
  EXPECT_EQ(unlocked->slot, "file:vector-host");
  EXPECT_EQ(unlocked->manifest.tenant, "acme");
  EXPECT_EQ(unlocked->manifest.dataset, "digits");
  EXPECT_EQ(unlocked->manifest.serial, 3U);
  EXPECT_EQ(unlocked->manifest.criticality, Criticality::confidential);
  EXPECT_EQ(unlocked->manifest.conditions.profiles, std::vector<std::string>{"restricted"});
  EXPECT_EQ(unlocked->manifest.conditions.image_signers, std::vector<std::string>{"acme-release"});
  const auto tags = *read_tags(file, unlocked->layout);
  const Index index = *read_index(file, *unlocked, tags, Engine::openssl);

  const TempDir out;
  const UniqueFd dir(::open(out.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  const auto done = extract(file, *unlocked, index, tags, dir.get(), {.engine = Engine::openssl});
  ASSERT_TRUE(done) << done.error().message();
  EXPECT_EQ(read_text(out / "labels.txt"), "0 1 2 3\n");
  EXPECT_EQ(read_text(out / "empty"), "");
  EXPECT_TRUE(files::is_empty(out / "folder"));
  std::string numbers;
  for (int i = 1; i <= 2000; ++i) numbers += std::to_string(i) + "\n";
  EXPECT_EQ(read_text(out / "images/numbers"), numbers);
  struct stat facts{};
  ASSERT_EQ(::stat((out / "images/numbers").c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode, 0100640U);
  EXPECT_EQ(facts.st_mtim.tv_sec, 1767323045);  // 2026-01-02T03:04:05Z
}

// `jose` of Debian's package decrypts what we wrap and verifies what we sign.
TEST(TestVector, JoseCommandLineAgrees) {
  World world;
  const auto source = world.dir() / "source";
  write_text(source / "file", "content");
  const std::string sealed = world.seal_tree(source);
  const Parts parts(sealed);
  write_text(world.dir() / "header.json", sealed.substr(kPrefixBytes, parts.header_bytes));
  const SecretBytes key = *jwk_to_json(world.host().get(), /*with_private=*/true);
  write_text(world.dir() / "host.jwk", as_text({key.data(), key.size()}));
  const JsonPtr tenant = *public_key_from_pem(world.tenant().public_pem);
  const SecretBytes tenant_jwk = *jwk_to_json(tenant.get(), /*with_private=*/false);
  write_text(world.dir() / "tenant.jwk", as_text({tenant_jwk.data(), tenant_jwk.size()}));

  const std::string command = "cd " + world.dir().path().string() +
                              " && jose jwe dec -i header.json -k host.jwk -O manifest.jws"
                              " && jose jws ver -i manifest.jws -k tenant.jwk -O manifest.json";
  ASSERT_EQ(::system(command.c_str()), 0);
  const Json manifest = *parse_json(read_text(world.dir() / "manifest.json"));
  EXPECT_EQ(manifest["dataset"], "digits");
  EXPECT_EQ(manifest["tenant"], "acme");
  EXPECT_EQ(manifest["chunkSize"], kChunk);
  EXPECT_EQ(manifest["files"], 1);
}

TEST(Manifest, StrictAboutEveryMember) {
  const Vector vector;
  const SealedFile file = *SealedFile::open(vector.fd.get());
  const SecretBytes jws = *decrypt_header(file.header(), 1, vector.host[0].key.get());
  const SignedManifest made = *verify_manifest(jws, vector.tenant);
  const Json good = *parse_json(as_text({made.json.data(), made.json.size()}));
  const auto rule = [](const Json& json) {
    const auto parsed = parse_manifest(secret_of(dump(json)));
    return parsed ? std::string("accepted") : parsed.error().rule;
  };
  ASSERT_EQ(rule(good), "accepted");
  for (const auto& [key, value] : good.items()) {
    Json bad = good;
    bad.erase(key);
    EXPECT_EQ(rule(bad), "dataset.manifest") << "without " << key;
    bad = good;
    bad[key] = value.is_string() ? Json(1) : Json("text");
    EXPECT_EQ(rule(bad), "dataset.manifest") << "other type of " << key;
    bad = good;
    if (value.is_number()) bad[key] = -1;
    if (value.is_string()) bad[key] = value.get<std::string>() + "*";
    if (value.is_object()) continue;
    EXPECT_EQ(rule(bad), "dataset.manifest") << "other value of " << key;
  }
  Json more = good;
  more["extra"] = 1;
  EXPECT_EQ(rule(more), "dataset.manifest");
  more = good;
  more["conditions"]["moonPhase"] = "full";
  EXPECT_EQ(rule(more), "dataset.condition");
}

}  // namespace
}  // namespace casemate::dataset
