#include "hooks/image/oci_layout.h"
#include "tests/unit/hooks/image/image_fixture.h"

namespace casemate::image {
namespace {

class LayoutTest : public testing::Test {
 protected:
  std::string open_rule() const { return rule_of(OciLayout::open(layout_.fd())); }
  std::string find_rule(const std::string& digest) const {
    const auto layout = OciLayout::open(layout_.fd());
    if (!layout) return layout.error().rule;
    return rule_of(layout->find_manifest(digest));
  }
  TempDir dir_;
  Layout layout_{dir_.path("layout")};
  std::string digest_ = layout_.add_image({TarBuilder().file("a", "1")});
};

TEST_F(LayoutTest, FindsByDigestTagAndThroughNestedIndexes) {
  EXPECT_EQ(find_rule(digest_), "");
  EXPECT_EQ(find_rule("sha256:" + std::string(64, '1')), "image.not-found");
  EXPECT_EQ(OciLayout::open(layout_.fd())->find_tag("v1")->digest, digest_);
  EXPECT_EQ(rule_of(OciLayout::open(layout_.fd())->find_tag("v2")), "image.not-found");
  const Json inner = {{"schemaVersion", 2}, {"manifests", layout_.index()["manifests"]}};
  const Json nested = layout_.blob(std::string(kOciIndex), dump(inner));
  layout_.write_index(Json::array({nested}));
  EXPECT_EQ(find_rule(digest_), "");
  EXPECT_EQ(find_rule(nested["digest"]), "image.media-type");
}

TEST_F(LayoutTest, NestingIsBounded) {
  Json entries = layout_.index()["manifests"];
  for (int i = 0; i < 6; ++i) {
    const Json inner = {{"schemaVersion", 2}, {"manifests", entries}};
    entries = Json::array({layout_.blob(std::string(kOciIndex), dump(inner))});
  }
  layout_.write_index(entries);
  EXPECT_EQ(find_rule(digest_), "image.layout");
}

TEST_F(LayoutTest, MalformedFoldersAreRefused) {
  write_text(layout_.path() + "/oci-layout", R"({"imageLayoutVersion":"2.0.0"})");
  EXPECT_EQ(open_rule(), "image.layout");
  write_text(layout_.path() + "/oci-layout", R"({"imageLayoutVersion":"1.0.0"})");
  write_text(layout_.path() + "/index.json", R"({"schemaVersion":1,"manifests":[]})");
  EXPECT_EQ(open_rule(), "image.media-type");
  write_text(layout_.path() + "/index.json", R"({"schemaVersion":2,"schemaVersion":2})");
  EXPECT_EQ(open_rule(), "json.duplicate-key");
  std::filesystem::remove(layout_.path() + "/index.json");
  EXPECT_EQ(open_rule(), "image.layout");
  write_text(dir_.path("index.json"), R"({"schemaVersion":2,"manifests":[]})");
  std::filesystem::create_symlink("../index.json", layout_.path() + "/index.json");
  EXPECT_EQ(open_rule(), "image.layout");
}

TEST_F(LayoutTest, BlobsThatAreNotFilesDoNotHang) {
  const auto layout = OciLayout::open(layout_.fd());
  const auto entry = *layout->find_manifest(digest_);
  const std::string file = layout_.blob_file(digest_);
  std::filesystem::rename(file, dir_.path("moved"));
  std::filesystem::create_symlink(dir_.path("moved"), file);
  EXPECT_EQ(rule_of(layout->read_blob(entry)), "image.layout");
  std::filesystem::remove(file);
  ASSERT_EQ(::mkfifo(file.c_str(), 0600), 0);
  EXPECT_EQ(rule_of(layout->check_blob(entry)), "image.not-regular");
}

TEST(Manifest, ManifestOrIndexNotBoth) {
  const std::string descriptor =
      R"({"mediaType":"x","size":1,"digest":"sha256:)" + std::string(64, 'a') + R"("})";
  const std::string body =
      R"({"schemaVersion":2,"config":)" + descriptor + R"(,"layers":[)" + descriptor;
  EXPECT_EQ(rule_of(parse_manifest(body + "]}")), "");
  EXPECT_EQ(rule_of(parse_manifest(body + R"(],"manifests":[]})")), "image.manifest");
  EXPECT_EQ(rule_of(parse_manifest(R"({"schemaVersion":2,"config":)" + descriptor + "}")),
            "image.manifest");
  Descriptor foreign{.media_type = "application/vnd.oci.image.layer.nondistributable.v1.tar"};
  EXPECT_EQ(rule_of(layer_compression(foreign)), "image.media-type");
}

TEST(Manifest, OnlySha256) {
  for (const char* digest : {"sha512:ab", "sha256:AB", "../../etc/passwd", ""}) {
    const Json json = {{"mediaType", "x"}, {"size", 1U}, {"digest", digest}};
    EXPECT_EQ(rule_of(parse_descriptor(*JsonObject::of(json))), "image.digest-algorithm");
  }
}

TEST_F(LayoutTest, MutatedDocumentsNeverCrash) {
  const std::string index = read_text(layout_.path() + "/index.json");
  const std::string manifest = read_text(layout_.blob_file(digest_));
  const auto parsed = parse_manifest(manifest);
  const std::string config = read_text(layout_.blob_file(parsed->config.digest));
  std::mt19937 random(3);
  int accepted = 0;
  for (int i = 0; i < 5000; ++i) {
    accepted += parse_index(mutate(index, random)).has_value();
    accepted += parse_manifest(mutate(manifest, random)).has_value();
    accepted += parse_config(mutate(config, random)).has_value();
  }
  EXPECT_LT(accepted, 15000);
}

}  // namespace
}  // namespace casemate::image
