#include "hooks/image/cosign.h"

#include "tests/unit/hooks/image/image_fixture.h"

namespace casemate::image {
namespace {

class CosignTest : public testing::Test {
 protected:
  std::string verify_rule(const std::string& repository = kRepository) const {
    const auto layout = OciLayout::open(layout_.fd());
    if (!layout) return layout.error().rule;
    return rule_of(verify_cosign(*layout, digest_, repository, keys_));
  }
  Json signature_entry() const {
    const Json entries = layout_.index()["manifests"];
    for (const auto& entry : entries)
      if (entry["annotations"][std::string(kRefName)] == signature_tag(digest_)) return entry;
    return nullptr;
  }
  // Replaces the signature manifest by one whose layers are these payloads, each truly signed.
  void sign_payloads(const std::vector<std::string>& payloads) {
    Json layers = Json::array();
    for (const auto& payload : payloads) {
      Json layer = layout_.blob(std::string(kSimpleSigning), payload);
      layer["annotations"] = {{std::string(kSignatureAnnotation), to_base64(*key_.sign(payload))}};
      layers.push_back(layer);
    }
    const Json manifest = {{"schemaVersion", 2},
                           {"config", layout_.blob(std::string(kOciConfig), "{}")},
                           {"layers", layers}};
    Json entry = layout_.blob(std::string(kOciManifest), dump(manifest));
    entry["annotations"] = {{std::string(kRefName), signature_tag(digest_)}};
    Json entries = Json::array();
    const Json present = layout_.index()["manifests"];
    for (const auto& old : present)
      if (old["digest"] == digest_) entries.push_back(old);
    entries.push_back(entry);
    layout_.write_index(entries);
  }
  Json payload() const { return *parse_json(make_payload({kRepository, digest_})); }

  TempDir dir_;
  Layout layout_{dir_.path("layout")};
  std::string digest_ = layout_.add_image({TarBuilder().file("a", "1")});
  PrivateKey key_ = *PrivateKey::generate(KeyType::p256);
  PrivateKey stranger_ = *PrivateKey::generate(KeyType::p256);
  std::vector<NamedKey> keys_ = {named("acme-release", key_)};
};

TEST_F(CosignTest, SignsAndVerifies) {
  EXPECT_EQ(verify_rule(), "image.unsigned");
  ASSERT_TRUE(sign(layout_, key_, digest_));
  const auto layout = OciLayout::open(layout_.fd());
  const auto signer = verify_cosign(*layout, digest_, kRepository, keys_);
  ASSERT_TRUE(signer) << signer.error().message();
  EXPECT_EQ(*signer, "acme-release");
  EXPECT_EQ(verify_rule(""), "");
  EXPECT_EQ(verify_rule("registry.example/acme/other"), "image.repository");
}

TEST_F(CosignTest, ManifestIsWhatCosignWrites) {
  ASSERT_TRUE(sign(layout_, key_, digest_));
  const Json entry = signature_entry();
  ASSERT_TRUE(entry.is_object());
  EXPECT_EQ(entry["mediaType"], "application/vnd.oci.image.manifest.v1+json");
  const Json manifest = *parse_json(read_text(layout_.blob_file(entry["digest"])));
  const Json layer = manifest["layers"][0];
  EXPECT_EQ(layer["mediaType"], "application/vnd.dev.cosign.simplesigning.v1+json");
  EXPECT_TRUE(layer["annotations"].contains("dev.cosignproject.cosign/signature"));
  const Json signed_payload = *parse_json(read_text(layout_.blob_file(layer["digest"])));
  EXPECT_EQ(signed_payload["critical"]["type"], "cosign container image signature");
  EXPECT_EQ(signed_payload["critical"]["identity"]["docker-reference"], kRepository);
  EXPECT_EQ(signed_payload["critical"]["image"]["docker-manifest-digest"], digest_);
}

TEST_F(CosignTest, OpensslAcceptsOurSignature) {
  ASSERT_TRUE(sign(layout_, key_, digest_));
  const Json manifest = *parse_json(read_text(layout_.blob_file(signature_entry()["digest"])));
  const Json layer = manifest["layers"][0];
  const std::string annotation = layer["annotations"][std::string(kSignatureAnnotation)];
  write_text(dir_.path("sig"), std::string(as_text(*from_base64(annotation))));
  write_text(dir_.path("pub"), *key_.public_key().to_pem());
  EXPECT_EQ(run("openssl dgst -sha256 -verify " + dir_.path("pub") + " -signature " +
                dir_.path("sig") + " " + layout_.blob_file(layer["digest"]) + " >/dev/null"),
            0);
}

TEST_F(CosignTest, WeAcceptOpensslsSignature) {
  ASSERT_EQ(run("openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out " +
                dir_.path("k") + " 2>/dev/null && openssl pkey -in " + dir_.path("k") +
                " -pubout -out " + dir_.path("k.pub")),
            0);
  // As cosign spaces it: the bytes are signed, not their meaning.
  const std::string text =
      R"({"critical": {"identity": {"docker-reference": ")" + std::string(kRepository) +
      R"("}, "image": {"docker-manifest-digest": ")" + digest_ +
      R"("}, "type": "cosign container image signature"}, "optional": {"a":1}})";
  sign_payloads({text});
  Json entry = signature_entry();
  Json manifest = *parse_json(read_text(layout_.blob_file(entry["digest"])));
  ASSERT_EQ(run("openssl dgst -sha256 -sign " + dir_.path("k") + " -out " + dir_.path("sig") + " " +
                layout_.blob_file(manifest["layers"][0]["digest"])),
            0);
  manifest["layers"][0]["annotations"][std::string(kSignatureAnnotation)] =
      to_base64(as_bytes(read_text(dir_.path("sig"))));
  Json changed = layout_.blob(std::string(kOciManifest), dump(manifest));
  changed["annotations"] = entry["annotations"];
  Json entries = layout_.index()["manifests"];
  entries[1] = changed;
  layout_.write_index(entries);
  EXPECT_EQ(verify_rule(), "image.signature");
  keys_.push_back({"tool", *PublicKey::from_pem(read_text(dir_.path("k.pub")))});
  EXPECT_EQ(verify_rule(), "");
}

TEST_F(CosignTest, WrongKeyAndSecondSigner) {
  ASSERT_TRUE(sign(layout_, stranger_, digest_));
  EXPECT_EQ(verify_rule(), "image.signature");
  ASSERT_TRUE(sign(layout_, key_, digest_));
  EXPECT_EQ(verify_rule(), "");
  const std::string before = read_text(layout_.path() + "/index.json");
  ASSERT_TRUE(sign(layout_, key_, digest_));  // again: nothing to do
  EXPECT_EQ(read_text(layout_.path() + "/index.json"), before);
  EXPECT_EQ(rule_of(sign(layout_, key_, digest_, "registry.example/other")), "image.payloads");
}

TEST_F(CosignTest, SignatureOfAnotherImage) {
  const auto other = layout_.add_image({TarBuilder().file("b", "2")}, Pack::none, "v2");
  sign_payloads({make_payload({kRepository, other})});
  EXPECT_EQ(verify_rule(), "image.digest");
  EXPECT_EQ(rule_of(sign(layout_, key_, "sha256:" + std::string(64, '0'))), "image.not-found");
}

TEST_F(CosignTest, SeveralStatementsAreRefused) {
  Json annotated = payload();
  annotated["optional"] = {{"a", "b"}};
  sign_payloads({dump(payload()), dump(annotated)});
  EXPECT_EQ(verify_rule(), "image.payloads");
  sign_payloads({dump(payload()), dump(payload())});
  EXPECT_EQ(verify_rule(), "");
}

TEST_F(CosignTest, PayloadIsStrict) {
  const auto check = [&](const std::string& text, const std::string& rule) {
    sign_payloads({text});
    EXPECT_EQ(verify_rule(), rule) << text;
  };
  for (const char* where : {"/critical", "/critical/image", "/critical/identity", ""}) {
    Json more = payload();
    more[Json::json_pointer(std::string(where) + "/extra")] = 1;
    check(dump(more), "image.payload");
  }
  Json wrong = payload();
  wrong["critical"]["type"] = "atomic container signature";
  check(dump(wrong), "image.payload");
  wrong = payload();
  wrong["critical"].erase("identity");
  check(dump(wrong), "json.missing-key");
  wrong = payload();
  wrong["critical"]["image"]["docker-manifest-digest"] = digest_.substr(7);
  check(dump(wrong), "image.payload");
  check(R"({"critical":{},"critical":{}})", "json.duplicate-key");
  check(dump(payload()) + "{}", "json.syntax");
}

TEST_F(CosignTest, ChangedSignatureBlobsAreRefused) {
  ASSERT_TRUE(sign(layout_, key_, digest_));
  const std::string manifest = layout_.blob_file(signature_entry()["digest"]);
  const std::string text = read_text(manifest);
  const std::string payload_blob =
      layout_.blob_file((*parse_json(text))["layers"][0]["digest"].get<std::string>());
  for (const auto& file : {manifest, payload_blob}) {
    const std::string good = read_text(file);
    write_text(file, flip(good, good.size() / 2));
    EXPECT_EQ(verify_rule(), "image.blob");
    write_text(file, good + " ");
    EXPECT_EQ(verify_rule(), "image.blob");
    write_text(file, good);
    EXPECT_EQ(verify_rule(), "");
  }
}

TEST_F(CosignTest, TwoTagsAreAmbiguous) {
  ASSERT_TRUE(sign(layout_, key_, digest_));
  Json entries = layout_.index()["manifests"];
  Json second = entries[0];
  second["annotations"] = {{std::string(kRefName), signature_tag(digest_)}};
  entries.push_back(second);
  layout_.write_index(entries);
  EXPECT_EQ(verify_rule(), "image.layout");
}

TEST(CosignPayload, MutationsNeverCrashOrChangeTheMeaning) {
  const std::string digest = "sha256:" + std::string(64, 'a');
  const std::string good = make_payload({kRepository, digest});
  std::mt19937 random(11);
  for (int i = 0; i < 20000; ++i) {
    const auto parsed = parse_payload(mutate(good, random));
    EXPECT_TRUE(!parsed || is_sha256_digest(parsed->digest));
  }
}

}  // namespace
}  // namespace casemate::image
